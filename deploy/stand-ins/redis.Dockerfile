# Stands in for the official Redis image: Debian's server, with that image's user and volume.
FROM debian:bookworm-slim
RUN groupadd --gid 999 redis && useradd --uid 999 --gid 999 redis \
    && apt-get update -q && apt-get install -q -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* \
    && install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
CMD ["redis-server", "--protected-mode", "no"]
