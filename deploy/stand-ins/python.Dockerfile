# Stands in for the official Python image: Debian's Python, at the place where that image has its own.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -q -y --no-install-recommends ca-certificates netbase tzdata python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/bin/python3.11 /usr/local/bin/python3 && ln -s /usr/bin/python3.11 /usr/local/bin/python
# What this machine trusts, for networks with a certificate authority of their own.
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
CMD ["python3"]
