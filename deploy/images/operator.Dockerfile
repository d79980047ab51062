# make build && docker build -f deploy/images/operator.Dockerfile -t remora-operator:dev bin
FROM gcr.io/distroless/static:nonroot
COPY remora-operator /usr/local/bin/remora-operator
USER 65532:65532
EXPOSE 8080 8082
ENTRYPOINT ["/usr/local/bin/remora-operator"]
