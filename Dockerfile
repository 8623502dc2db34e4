# The web server and the collector in one image; `--only web` or `--only collector` for one of them.
FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements.txt ./
COPY scripts ./scripts
COPY app.py ./
COPY services ./services
COPY ui ./ui
COPY pages ./pages
COPY .streamlit/config.toml ./.streamlit/config.toml
RUN scripts/container-steps.sh /opt/throughline

FROM python:3.11-slim
WORKDIR /app
COPY scripts/system-packages.sh /tmp/system-packages.sh
RUN /tmp/system-packages.sh --runtime && rm /tmp/system-packages.sh && useradd --create-home --uid 10001 throughline \
    && mkdir /data && chown throughline /data
COPY --from=build /opt/throughline /opt/throughline
COPY --from=build /app /app
ENV PATH=/opt/throughline/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    THROUGHLINE_CONFIG=/etc/throughline/throughline.toml \
    THROUGHLINE_STORE=/data/throughline.sqlite3
USER throughline
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "services"]
CMD ["run", "--address", "0.0.0.0"]
