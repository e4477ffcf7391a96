# syntax=docker/dockerfile:1
# One image for every role: docker run xencrm api | worker | consumer | relay | mock-vendor | migrate.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
# No cgo: the result stands alone. -trimpath: the same source gives the same bytes anywhere.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -tags timetzdata -trimpath -ldflags="-s -w" -o /out/xencrm ./cmd/xencrm
# A volume that is mounted here starts as a copy of this directory, and so with its owner.
RUN mkdir -p /out/state

# Nothing but the program and the certificates to call others with; it runs as a user without a name.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/xencrm /usr/local/bin/xencrm
COPY --from=build --chown=65532:65532 /out/state /var/lib/xencrm
USER 65532:65532
WORKDIR /var/lib/xencrm
EXPOSE 8080 8090
# SIGTERM is the default stop signal, and every role finishes what it has begun on it.
ENTRYPOINT ["/usr/local/bin/xencrm"]
CMD ["--help"]
