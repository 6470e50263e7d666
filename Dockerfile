# The build: first the dependencies alone, so that a change of the program reuses their layer.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src
COPY migrations ./migrations
COPY src ./src
# The copies may be older than the empty program; cargo goes by their time.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
# Callbacks and PostgreSQL over TLS are checked against these authorities.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 10001 -g 10001 /data
COPY --from=build /build/target/release/tillgate /usr/local/bin/tillgate
# A number, so that a cluster can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV TILLGATE_LISTEN=0.0.0.0:8080 \
    TILLGATE_DATABASE=sqlite:/data/tillgate.db
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["tillgate", "health", "--url", "http://127.0.0.1:8080"]
ENTRYPOINT ["tillgate"]
CMD ["serve"]
