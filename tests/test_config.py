"""What the configuration refuses, and whether each refusal says the key, the fault and the mend."""

import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from services.config import SecretRef
from services.config_file import ConfigError, load
from services.secrets import SecretMissing, Secrets
from services.vocabulary import Tier

GOOD = """
history = "120d"

[team]
name = "Forecasting"
time_zone = "Europe/Berlin"
holidays = "DE-BE"

[standup]
days = ["mon", "wed"]
time = 09:30:00

[[environment]]
name = "dev"

[[environment]]
name = "prod"
tier = "production"
google_project = "acme-prod"

[[source]]
kind = "gitlab"
name = "gitlab"
url = "https://gitlab.example.com"
token = { env = "GITLAB_TOKEN" }
groups = ["acme"]

[[source]]
kind = "bigquery"
name = "metrics"
project = "acme-prod"

[[product]]
name = "churn"
projects = ["acme/churn/*"]

[[metric]]
product = "churn"
model = "churn"
name = "auc"
better = "higher"
table = "ml.metrics"
"""

SOURCE = '[team]\nname = "x"\n[[source]]\nname = "s"\n'
GITLAB = SOURCE + 'kind = "gitlab"\nurl = "https://g.example"\ntoken = { env = "T" }\ngroups = ["a"]\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "throughline.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    return caught.value.problems


def test_a_whole_file_is_read_as_it_is_meant(tmp_path):
    config = load(written(tmp_path, GOOD)).config
    assert config.history == timedelta(days=120)
    assert config.environment[1].tier is Tier.PRODUCTION
    assert config.metric[0].key == "churn/churn/auc"


def test_the_same_file_has_the_same_hash_and_another_file_another(tmp_path):
    first = load(written(tmp_path, GOOD)).config.hash
    assert first == load(written(tmp_path, GOOD)).config.hash
    assert first != load(written(tmp_path, GOOD.replace("churn", "fraud"))).config.hash


@pytest.mark.parametrize(
    ("text", "key", "mend"),
    [
        pytest.param("[team\n", "TOML", "brackets", id="broken TOML"),
        pytest.param("name = unquoted\n", "TOML", "quotes", id="a string without quotes"),
        pytest.param("", "team", "required", id="an empty file"),
        pytest.param('[team]\nname = "x"\n', "source", "required", id="no source"),
        pytest.param('source = []\n[team]\nname = "x"\n', "source", "at least 1", id="an empty list of sources"),
        pytest.param(GITLAB.replace('name = "x"', ""), "team.name", "required", id="a team without a name"),
        pytest.param(GITLAB.replace('name = "x"', 'name = ""'), "team.name", "at least 1", id="an empty name"),
        pytest.param(
            GITLAB.replace('name = "x"', 'name = "x"\ntime_zone = "Berlin"'), "team.time_zone", "Europe/Berlin",
            id="a time zone that is none",
        ),
        pytest.param(
            GITLAB.replace('name = "x"', 'name = "x"\nholidays = "Germany"'), "team.holidays", '"DE"',
            id="a country by its name",
        ),
        pytest.param(
            GITLAB.replace('name = "x"', 'name = "x"\nholidays = "DE-XX"'), "team.holidays", '"DE-BE"',
            id="a part of a country that is none",
        ),
        pytest.param(
            GITLAB.replace('name = "x"', 'name = "x"\ntimezone = "UTC"'), "team.timezone", "time_zone",
            id="a misspelled key names the right one",
        ),
        pytest.param(GITLAB + "\n[standups]\ntime = 09:00:00\n", "standups", "standup", id="a misspelled table"),
        pytest.param(GITLAB + '[standup]\ndays = ["monday"]\n', "standup.days", "'mon'", id="a weekday in full"),
        pytest.param(GITLAB + "[standup]\ndays = []\n", "standup.days", "at least one day", id="no weekday"),
        pytest.param(GITLAB + '[standup]\ntime = "half past nine"\n', "standup.time", "time", id="a time in words"),
        pytest.param('history = "4 months"\n' + GITLAB, "history", "120d", id="a duration in words"),
        pytest.param('history = "0d"\n' + GITLAB, "history", "120d", id="no history"),
        pytest.param(SOURCE, "kind", "gitlab", id="a source without a kind"),
        pytest.param(SOURCE + 'kind = "github"\n', "kind", "gitlab", id="a kind we do not read"),
        pytest.param(GITLAB.replace('url = "https://g.example"\n', ""), "url", "required", id="GitLab without a URL"),
        pytest.param(GITLAB.replace("https://", ""), "url", "https://", id="a URL without a scheme"),
        pytest.param(GITLAB.replace("https://g", "ftp://g"), "url", "https://", id="a URL of another scheme"),
        pytest.param(
            GITLAB.replace("https://g", "https://user:pw@g"), "url", "secret reference", id="a password in the URL"
        ),
        pytest.param(GITLAB.replace('groups = ["a"]\n', ""), "groups", "at least one", id="no group and no project"),
        pytest.param(GITLAB.replace('["a"]', '"a"'), "groups", "list", id="one group that is no list"),
        pytest.param(GITLAB.replace('token = { env = "T" }\n', ""), "token", "required", id="no token"),
        pytest.param(
            GITLAB.replace('{ env = "T" }', '"glpat-0123456789abcdefghij"'), "token", "table", id="a token as it is"
        ),
        pytest.param(
            GITLAB.replace('{ env = "T" }', '{ env = "T", file = "f" }'), "token", "exactly one", id="two places"
        ),
        pytest.param(GITLAB.replace('{ env = "T" }', "{ }"), "token", "exactly one", id="no place for the token"),
        pytest.param(GITLAB.replace("{ env", "{ enviroment"), "token.enviroment", "env", id="a misspelled place"),
        pytest.param(GITLAB + 'ca_file = "no.pem"\n', "ca_file", "no.pem", id="a CA file that is not there"),
        pytest.param(GITLAB + "calls_per_minute = 0\n", "calls_per_minute", "greater", id="no calls at all"),
        pytest.param(GITLAB + GITLAB.split("\n", 2)[2], "source", "once", id="two sources of one name"),
        pytest.param(SOURCE + 'kind = "terraform"\n', "source", "bucket or directory", id="Terraform from nowhere"),
        pytest.param(
            SOURCE + 'kind = "terraform"\nbucket = "b"\ndirectory = "."\n', "source", "either", id="Terraform from two"
        ),
        pytest.param(
            SOURCE + 'kind = "terraform"\ndirectory = "missing"\n', "directory", "no folder", id="a folder not there"
        ),
        pytest.param(
            SOURCE + 'kind = "vertex"\nproject = "p"\nregions = []\n', "regions", "at least 1", id="no region"
        ),
        pytest.param(
            SOURCE + 'kind = "bigquery"\nproject = "p"\nmax_bytes_per_query = 1\n', "max_bytes_per_query", "10485760",
            id="a cap below the smallest query",
        ),
        pytest.param(
            GITLAB + '[[environment]]\nname = "a"\n[[environment]]\nname = "a"\n', "environment", "once",
            id="two environments of one name",
        ),
        pytest.param(
            GITLAB + '[[environment]]\nname = "a"\ntier = "live"\n', "tier", "production", id="a tier that is none"
        ),
        pytest.param(GITLAB + '[[product]]\nname = "My product"\n', "product", "pattern", id="a product with a blank"),
        pytest.param(
            GITLAB + '[[product]]\nname = "p"\nrepositories = ["a/b"]\n', "repositories", "projects",
            id="a key of a product that is unknown",
        ),
        pytest.param(GOOD.replace('product = "churn"', 'product = "nope"'), "product", "churn", id="no such product"),
        pytest.param(GOOD.replace('"higher"', '"up"'), "better", "higher", id="a direction that is none"),
        pytest.param(GOOD.replace('table = "ml.metrics"', ""), "metric", "table or sql", id="a metric from nowhere"),
        pytest.param(GOOD.replace('"ml.metrics"', '"metrics"'), "table", "dataset.table", id="a table without dataset"),
        pytest.param(
            GOOD.replace('table = "ml.metrics"', 'sql = "DROP TABLE x"'), "sql", "SELECT", id="SQL that does not select"
        ),
        pytest.param(
            GOOD.replace('table = "ml.metrics"', 'table = "ml.metrics"\nsource = "gitlab"'), "source", "metrics",
            id="a metric from a source of another kind",
        ),
        pytest.param(
            GOOD.replace('[[source]]\nkind = "bigquery"\nname = "metrics"\nproject = "acme-prod"\n', ""),
            "metric", "bigquery", id="a metric without any bigquery source",
        ),
        pytest.param(GITLAB + '[api]\ntoken_sha256 = ["secret"]\n', "api.token_sha256", "pattern", id="no hash"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_which_key_and_how_to_mend_it(tmp_path, text, key, mend):
    said = "\n".join(faults(tmp_path, text))
    assert key in said
    assert mend in said


@pytest.mark.parametrize(
    ("kind", "mend"),
    [
        pytest.param('kind = "gitlab"\nurl = "{}"\ntoken = {{ env = "T" }}\ngroups = ["a"]\n', "groups", id="gitlab"),
        pytest.param('kind = "vertex"\nproject = "{}"\nregions = ["r"]\n', "regions", id="vertex"),
        pytest.param('kind = "terraform"\nbucket = "{}"\n', "once", id="terraform"),
    ],
)
def test_what_two_sources_would_read_is_to_be_written_once(tmp_path, kind, mend):
    places = ("https://a.example", "https://A.example/") if mend == "groups" else ("a", "a")
    text = SOURCE + kind.format(places[0]) + '[[source]]\nname = "t"\n' + kind.format(places[1])
    (said,) = faults(tmp_path, text)
    assert "'s' and 't' both read" in said
    assert mend in said


def test_files_named_in_the_configuration_stand_beside_it(tmp_path, monkeypatch):
    (tmp_path / "conf" / "states").mkdir(parents=True)
    (tmp_path / "conf" / "ca.pem").write_text("x")
    text = GITLAB + 'ca_file = "ca.pem"\n[[source]]\nname = "t"\nkind = "terraform"\ndirectory = "states"\n'
    (tmp_path / "conf" / "throughline.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    gitlab, states = load(Path("conf/throughline.toml")).config.source
    assert gitlab.ca_file == tmp_path / "conf" / "ca.pem"
    assert states.directory == tmp_path / "conf" / "states"


def test_all_faults_are_said_at_once(tmp_path):
    wrong = GOOD.replace("Europe/Berlin", "Mars").replace('"mon"', '"monday"').replace('"higher"', '"up"')
    said = faults(tmp_path, wrong)
    assert len(said) == 3
    assert [fault.split(":")[0] for fault in said] == ["team.time_zone", "standup.days[1]", "metric[1] (auc).better"]


def test_a_secret_that_strayed_into_the_file_is_not_repeated(tmp_path):
    said = faults(tmp_path, GITLAB.replace('{ env = "T" }', '"glpat-0123456789abcdefghij"'))
    assert "glpat" not in "\n".join(said)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda path: None, "does not exist", id="absent"),
        pytest.param(lambda path: path.mkdir(), "folder", id="a folder"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe\x00"), "UTF-8", id="another encoding"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, make, says):
    path = tmp_path / "throughline.toml"
    make(path)
    with pytest.raises(ConfigError, match=says):
        load(path)


def test_a_secret_comes_from_the_place_the_reference_names(tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    (tmp_path / "secrets.toml").write_text('[gitlab]\ntoken = "from-the-toml"\n')
    secrets = Secrets(tmp_path, {"T": "from-the-environment"}, tmp_path / "secrets.toml")
    assert secrets.get(SecretRef(env="T")) == "from-the-environment"
    assert secrets.get(SecretRef(file=Path("token"))) == "from-a-file"
    assert secrets.get(SecretRef(secret="gitlab.token")) == "from-the-toml"


@pytest.mark.parametrize(
    "ref", [SecretRef(env="ABSENT"), SecretRef(file=Path("absent")), SecretRef(secret="absent.key")]
)
def test_a_missing_secret_says_where_it_was_looked_for_and_how_to_put_it_there(tmp_path, ref):
    secrets = Secrets(tmp_path, {}, tmp_path / "secrets.toml")
    with pytest.raises(SecretMissing, match=r"(?i)absent.*; (export|write|add)"):
        secrets.get(ref)
