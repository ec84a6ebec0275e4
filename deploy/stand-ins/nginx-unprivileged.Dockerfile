# Stands in for the unprivileged nginx image: Debian's server, with that image's user.
FROM debian:bookworm-slim
RUN groupadd --gid 101 nginx && useradd --uid 101 --gid 101 --no-create-home nginx \
    && apt-get update -q && apt-get install -q -y --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
USER 101:101
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
