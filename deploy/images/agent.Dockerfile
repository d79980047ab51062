# make build && docker build -f deploy/images/agent.Dockerfile -t remora-agent:dev bin
FROM gcr.io/distroless/static:nonroot
COPY remora-agent /usr/local/bin/remora-agent
# Ray's own user in Ray's images.
USER 1000:100
EXPOSE 9081
ENTRYPOINT ["/usr/local/bin/remora-agent"]
