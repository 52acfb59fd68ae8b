# The event stream on Fargate. Built from the repository's root; docs/howto/deploy.md has the commands.
FROM public.ecr.aws/docker/library/python:3.13-slim
COPY . /src
RUN pip install --no-cache-dir --no-compile -c /src/constraints.txt "/src[aws]" && rm -rf /src
USER 65534
ENV PYTHONDONTWRITEBYTECODE=1
CMD ["python", "-m", "api.stream_app"]
