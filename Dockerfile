# docker build -t authd . : authd with all its plugins, and nothing else, as a user that owns nothing.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
RUN make build VERSION="$VERSION" COMMIT="$COMMIT" && install -d -m 0700 /state

# What a static binary needs of a system, and no more: certificates, time zones, a user, a place for sockets.
RUN install -d -m 1777 /root-tmp && printf 'authd:x:65532:65532:authd:/var/lib/authd:/sbin/nologin\n' > /passwd && \
    printf 'authd:x:65532:\n' > /group

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /passwd /group /etc/
COPY --from=build /root-tmp /tmp
COPY --from=build /src/bin/authd /usr/bin/authd
COPY --from=build /src/bin/plugins /usr/lib/authd/plugins
COPY --from=build --chown=65532:65532 /state /var/lib/authd
COPY LICENSE /usr/share/doc/authd/copyright
# AUTHD_SERVER_PUBLIC_URL has no default: it is where browsers reach this container.
ENV AUTHD_SERVER_LISTEN=0.0.0.0:4180 \
    AUTHD_SERVER_ADMIN_LISTEN= \
    AUTHD_SERVER_PLUGINS_DIR=/usr/lib/authd/plugins \
    AUTHD_STORE_URL=file:/var/lib/authd/authd.db
USER 65532:65532
WORKDIR /var/lib/authd
VOLUME /var/lib/authd
EXPOSE 4180
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/authd"]
CMD ["serve"]
