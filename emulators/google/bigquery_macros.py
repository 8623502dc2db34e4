"""BigQuery's meaning of what DuckDB does otherwise: one SQL macro for each such function."""

ANCHORS = {"SUNDAY": "0001-01-07", "MONDAY": "0001-01-01", "TUESDAY": "0001-01-02", "WEDNESDAY": "0001-01-03",
           "THURSDAY": "0001-01-04", "FRIDAY": "0001-01-05", "SATURDAY": "0001-01-06"}  # fmt: skip
"""A date of the first days of the calendar on which a week of that name begins."""

WHOLE = "('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT')"

MACROS = f"""
CREATE MACRO bq_divide(a, b) AS
    CASE WHEN b = 0 THEN error('division by zero') ELSE CAST(a AS DOUBLE) / b END;
CREATE MACRO bq_safe_divide(a, b) AS CASE WHEN b = 0 THEN NULL ELSE CAST(a AS DOUBLE) / b END;
CREATE MACRO bq_date(x) AS
    CASE WHEN typeof(x) IN ('DATE', '"NULL"') THEN CAST(x AS DATE)
         WHEN typeof(x) = 'VARCHAR' AND regexp_full_match(CAST(x AS VARCHAR), '\\d{{4}}-\\d\\d?-\\d\\d?')
         THEN CAST(x AS DATE)
         ELSE error('a DATE is wanted here, not ' || typeof(x)) END;
CREATE MACRO bq_timestamp(x) AS
    CASE WHEN typeof(x) IN ('TIMESTAMP WITH TIME ZONE', '"NULL"') THEN CAST(x AS TIMESTAMPTZ)
         WHEN typeof(x) = 'VARCHAR' AND regexp_matches(CAST(x AS VARCHAR), '^\\d{{4}}-\\d\\d?-\\d\\d?')
         THEN CAST(x AS TIMESTAMPTZ)
         ELSE error('a TIMESTAMP is wanted here, not ' || typeof(x)) END;
CREATE MACRO bq_is_nan(x) AS
    coalesce(typeof(x) IN ('DOUBLE', 'FLOAT') AND CAST(x AS VARCHAR) IN ('nan', '-nan'), false);
CREATE MACRO bq_to_datetime(x) AS
    CASE WHEN typeof(x) IN ('TIMESTAMP WITH TIME ZONE', 'TIMESTAMP', 'DATE', '"NULL"') THEN CAST(x AS TIMESTAMP)
         ELSE error('a cast of ' || typeof(x) || ' to DATETIME is not served here') END;
CREATE MACRO bq_to_timestamp(x) AS
    CASE WHEN typeof(x) IN ('DATE', 'TIMESTAMP') THEN CAST(x AS TIMESTAMPTZ) ELSE bq_timestamp(x) END;
CREATE MACRO bq_to_date(x) AS
    CASE WHEN typeof(x) IN ('TIMESTAMP WITH TIME ZONE', 'TIMESTAMP') THEN CAST(x AS DATE) ELSE bq_date(x) END;
CREATE MACRO bq_date_in(x, zone) AS CAST(bq_timestamp(x) AT TIME ZONE zone AS DATE);
CREATE MACRO bq_from_micros(x) AS make_timestamp(CAST(x AS BIGINT)) AT TIME ZONE 'UTC';
CREATE MACRO bq_floor_units(us, micros) AS
    CASE WHEN us >= 0 THEN us // CAST(micros AS BIGINT) ELSE -((-us + micros - 1) // CAST(micros AS BIGINT)) END;
CREATE MACRO bq_to_units(x, micros) AS bq_floor_units(epoch_us(bq_timestamp(x)), micros);
CREATE MACRO bq_timestamp_diff(a, b, micros) AS
    (epoch_us(bq_timestamp(a)) - epoch_us(bq_timestamp(b))) // CAST(micros AS BIGINT);
CREATE MACRO bq_week_start(x, anchor) AS
    CAST(anchor AS DATE) + CAST(7 * (date_diff('day', CAST(anchor AS DATE), x) // 7) AS INTEGER);
CREATE MACRO bq_weeks_between(a, b, anchor) AS
    date_diff('day', CAST(anchor AS DATE), bq_date(a)) // 7 - date_diff('day', CAST(anchor AS DATE), bq_date(b)) // 7;
CREATE MACRO bq_to_int(x, bad) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN typeof(x) = 'VARCHAR' THEN
            CASE WHEN regexp_full_match(CAST(x AS VARCHAR), '[+-]?[0-9]+') THEN TRY_CAST(CAST(x AS VARCHAR) AS BIGINT)
                 WHEN regexp_full_match(CAST(x AS VARCHAR), '\\s*[+-]?0[xX].*|\\s.*|.*\\s')
                 THEN error('a hexadecimal or padded number is not served here')
                 WHEN bad THEN error('Bad int64 value: ' || CAST(x AS VARCHAR)) END
         WHEN typeof(x) = 'BOOLEAN' THEN CASE WHEN CAST(x AS VARCHAR) = 'true' THEN 1 ELSE 0 END
         WHEN typeof(x) IN {WHOLE} THEN CAST(CAST(x AS VARCHAR) AS BIGINT)
         WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN CAST(round(TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)) AS BIGINT)
         ELSE error('a cast of ' || typeof(x) || ' to INT64 is not served here') END;
CREATE MACRO bq_to_float(x, bad) AS
    CASE WHEN x IS NULL THEN NULL
         WHEN typeof(x) = 'VARCHAR' THEN
            CASE WHEN regexp_full_match(CAST(x AS VARCHAR), '[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?')
                 THEN CAST(CAST(x AS VARCHAR) AS DOUBLE)
                 WHEN regexp_full_match(CAST(x AS VARCHAR), '\\s.*|.*\\s|(?i)[+-]?(nan|inf|infinity)')
                 THEN error('a padded number, a NaN or an infinity is not served here')
                 WHEN bad THEN error('Bad double value: ' || CAST(x AS VARCHAR)) END
         WHEN typeof(x) IN {WHOLE} OR typeof(x) IN ('DOUBLE', 'FLOAT') THEN CAST(x AS DOUBLE)
         ELSE error('a cast of ' || typeof(x) || ' to FLOAT64 is not served here') END;
CREATE MACRO bq_to_string(x) AS
    CASE WHEN typeof(x) IN {WHOLE} OR typeof(x) IN ('VARCHAR', 'BOOLEAN', 'DATE', '"NULL"') THEN CAST(x AS VARCHAR)
         ELSE error('a cast of ' || typeof(x) || ' to STRING is not served here; use FORMAT_TIMESTAMP or ROUND') END;
CREATE MACRO bq_to_bool(x) AS
    CASE WHEN typeof(x) IN ('BOOLEAN', '"NULL"') OR typeof(x) IN {WHOLE} THEN CAST(x AS BOOLEAN)
         WHEN typeof(x) = 'VARCHAR' AND lower(CAST(x AS VARCHAR)) IN ('true', 'false') THEN CAST(x AS BOOLEAN)
         WHEN x IS NULL THEN NULL
         ELSE error('Bad bool value: ' || CAST(x AS VARCHAR)) END;
CREATE MACRO bq_at(list, place, may_miss) AS
    CASE WHEN list IS NULL OR place IS NULL THEN NULL
         WHEN place >= 0 AND place < len(list) THEN list[place + 1]
         WHEN NOT may_miss THEN error('Array index ' || CAST(place AS VARCHAR) || ' is out of bounds') END;
CREATE MACRO bq_json_value(x, path) AS
    CASE WHEN json_type(CAST(x AS JSON), path) IN ('OBJECT', 'ARRAY') THEN NULL
         ELSE json_extract_string(CAST(x AS JSON), path) END;
CREATE MACRO bq_regexp_extract(x, pattern, grp) AS
    CASE WHEN regexp_matches(x, pattern) THEN regexp_extract(x, pattern, grp) END;
"""
