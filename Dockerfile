# One image with every binary; docker-compose.yml says which one a container runs.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked \
        -p forebay-ingest -p forebay-writer -p forebay-query -p forebay-cli \
    && install -D -t /out target/release/forebay target/release/forebay-ingest \
        target/release/forebay-writer target/release/forebay-query

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin forebay
COPY --from=build /out/ /usr/local/bin/
USER 10001
STOPSIGNAL SIGTERM
CMD ["forebay", "--help"]
