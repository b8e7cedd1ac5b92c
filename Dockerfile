# One image with the one program; docker-compose.yml says which of its services a container runs.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# What `forebay --version` calls the commit: --build-arg COMMIT=$(git rev-parse --short=12 HEAD)
ARG COMMIT=unknown
RUN FOREBAY_COMMIT="$COMMIT" cargo build --release --locked -p forebay-cli \
    && install -D -t /out target/release/forebay

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin forebay
COPY --from=build /out/ /usr/local/bin/
USER 10001
STOPSIGNAL SIGTERM
CMD ["forebay", "--help"]
