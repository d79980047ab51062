# make build && docker build -f deploy/images/server.Dockerfile -t remora:dev bin
FROM gcr.io/distroless/static:nonroot
COPY remora /usr/local/bin/remora
USER 65532:65532
EXPOSE 3100
ENTRYPOINT ["/usr/local/bin/remora"]
