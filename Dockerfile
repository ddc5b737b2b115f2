# The program alone in an empty image: a static binary and the certificates it trusts. No shell, no package
# manager, no root.
#
#   docker build -t aiapiproxy .
#   docker run --rm -p 127.0.0.1:8082:8082 -e OPENAI_API_KEY aiapiproxy
#
# Without CLIENT_API_KEYS the program makes a client key at start and writes it to its log, once.

FROM rust:1.95-alpine AS build
# The C compiler is for the TLS library and zstd; on musl the Rust toolchain links statically by default.
RUN apk add --no-cache build-base ca-certificates
WORKDIR /build
# .dockerignore lets in what the build reads, and nothing else.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin aiapiproxy && cp target/release/aiapiproxy /aiapiproxy

FROM scratch
LABEL org.opencontainers.image.title="aiapiproxy" \
      org.opencontainers.image.description="Lets every client of Anthropic's Messages API run on any model" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /aiapiproxy /usr/local/bin/aiapiproxy
# A container has its own loopback, which nobody outside reaches; who may come in is decided where the port is
# published.
ENV SERVER_HOST=0.0.0.0 \
    SERVER_PORT=8082
EXPOSE 8082
USER 65532:65532
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 CMD ["/usr/local/bin/aiapiproxy", "health"]
ENTRYPOINT ["/usr/local/bin/aiapiproxy"]
CMD ["serve"]
