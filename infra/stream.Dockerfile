# The event stream on Fargate. `candlewick deploy -c stream=fargate` builds it, from what .dockerignore lets in.
FROM public.ecr.aws/docker/library/python:3.13-slim
COPY . /src
RUN pip install --no-cache-dir --no-compile -c /src/constraints.txt "/src[aws]" && rm -rf /src
USER 65534
# Unbuffered: a metric is a line on stdout, and must not wait for the next hundred.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
CMD ["python", "-m", "api.stream_app"]
