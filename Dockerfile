# One program on a base without a shell. Build: `docker build -t hallpass .`; without Docker: scripts/image.
# Both bases are arguments, so that a mirror, a pinned digest or a base of your own can stand in for them.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# Relocations packed (DT_RELR): 600 KiB that every start would read otherwise, and leave resident. Needs glibc 2.36, which both bases have.
ENV RUSTFLAGS="-C link-arg=-Wl,-z,pack-relative-relocs"
# Dependencies first, against an empty program: this layer lasts as long as these two files do. Tests and benchmarks stay outside, so
# the manifest must not name them.
COPY Cargo.toml Cargo.lock ./
RUN awk '/^\[/ { skip = /^\[\[(bench|example|test)\]\]/ } !skip' Cargo.toml > Cargo.slim && mv Cargo.slim Cargo.toml
RUN mkdir src && echo 'fn main() {}' > src/main.rs && : > src/lib.rs \
    && cargo build --release --locked --bin hallpass \
    && rm -r src
COPY docs ./docs
COPY migrations ./migrations
COPY config ./config
COPY src ./src
# The stub's build would count as newer than files that come from a checkout.
RUN find src -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --bin hallpass \
    && install -D -m 0755 target/release/hallpass /out/hallpass \
    && install -d -m 0750 /out/lib/hallpass

FROM ${RUNTIME_IMAGE}
COPY --from=build /out/hallpass /usr/local/bin/hallpass
# The only place that is written to: the SQLite file, when that is the store. Everything else may be mounted read-only.
COPY --from=build --chown=65532:65532 /out/lib/ /var/lib/
VOLUME /var/lib/hallpass
WORKDIR /var/lib/hallpass
# Inside a container loopback would be out of reach for everybody.
ENV HALLPASS__SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/hallpass", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/hallpass"]
CMD ["serve"]
# Last, because they change with every build.
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="hallpass" \
    org.opencontainers.image.description="Stateless JWT auth in one container" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
