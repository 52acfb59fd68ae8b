"""Api: REST on an HTTP API, the event stream on a Function URL or Fargate, the dashboard on CloudFront."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from api.headers import HSTS, SECURITY_HEADERS
from infra.data_stack import DataStack
from infra.fargate import StreamService
from infra.functions import ROWS, make_function, retention_of
from infra.names import PREFIX, WEB_ADAPTER_ACCOUNT, WEB_ADAPTER_LAYER, physical
from infra.stages import Stage

#: CloudFront waits so long for the next byte of a stream; the heartbeat is every 10 s.
READ_TIMEOUT_S: Final = 30
#: Errors that CloudFront would keep for ten seconds. By the path alone: one caller's wrong query would be everybody's
#: answer, so they are kept for no time at all.
ERRORS: Final = (400, 403, 404, 405, 500, 502, 503, 504)
#: The page's own addresses are no files: a record's or a run's may hold a dot, and any other without one is the page.
PAGES: Final = """function handler(event) {
  var request = event.request;
  if (/^\\/(records|runs)\\//.test(request.uri) || !/\\.[^/]*$/.test(request.uri)) request.uri = "/index.html";
  return request;
}"""
ACCESS_LOG: Final = (
    '{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","route":"$context.routeKey",'
    '"status":"$context.status","latency":"$context.responseLatency"}'
)


class ApiStack(cdk.Stack):
    """What watchers talk to."""

    def __init__(
        self, scope: Construct, name: str, stage: Stage, data: DataStack, bundle_mode: str, **more: object
    ) -> None:
        super().__init__(scope, name, **more)
        self._stage = stage
        self.function = make_function(
            self, ROWS["api"], stage, data, bundle_mode, reserved_concurrent_executions=stage.api_concurrency
        )
        self.http_api = self._http_api()
        if stage.stream_on == "fargate":
            self.service: StreamService | None = StreamService(self, "StreamService", stage, data)
            stream_origin: cloudfront.IOrigin = self.service.origin()
        else:
            self.service = None
            stream_origin = self._stream_origin(data, bundle_mode)
        self.site = s3.Bucket(
            self,
            "Site",
            bucket_name=f"{stage.name}-candlewick-site-{self.account}-{self.region}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            server_access_logs_bucket=data.access_logs,
            server_access_logs_prefix="site/",
            removal_policy=cdk.RemovalPolicy.DESTROY,  # made from the repository at every deployment
        )
        self.distribution = self._distribution(data, stream_origin)
        # The API sees a host of its own, so the page's must be told, to browsers without Fetch Metadata.
        page = f"https://{self.distribution.distribution_domain_name}"
        self.function.add_environment(f"{PREFIX}CORS_ORIGINS", page)
        cdk.CfnOutput(self, "HttpApiUrl", value=self.http_api.api_endpoint)
        cdk.CfnOutput(self, "SiteBucket", value=self.site.bucket_name)
        cdk.CfnOutput(self, "DashboardUrl", value=page)
        cdk.CfnOutput(self, "DistributionId", value=self.distribution.distribution_id)

    def _http_api(self) -> apigateway.HttpApi:
        api = apigateway.HttpApi(
            self,
            "HttpApi",
            api_name=physical(self._stage.name, "candlewick"),
            create_default_stage=False,
            default_integration=integrations.HttpLambdaIntegration("Rest", self.function),
        )
        log_group = logs.LogGroup(
            self,
            "HttpApiLogs",
            log_group_name=f"/aws/apigateway/{physical(self._stage.name, 'candlewick')}",
            retention=retention_of(self._stage),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        default = apigateway.HttpStage(
            self,
            "DefaultStage",
            http_api=api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=100, burst_limit=200),
        )
        resource = default.node.default_child
        assert isinstance(resource, apigateway.CfnStage), resource
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=ACCESS_LOG
        )
        return api

    def _stream_origin(self, data: DataStack, bundle_mode: str) -> cloudfront.IOrigin:
        """One request an environment: every open stream holds one, so the concurrency is the cap on watchers and on
        what they cost (aws.md: 256 MB arm64, always open, 8.76 a month)."""
        layer = f"arn:{self.partition}:lambda:{self.region}:{WEB_ADAPTER_ACCOUNT}:layer:{WEB_ADAPTER_LAYER}"
        function = make_function(
            self,
            ROWS["stream"],
            self._stage,
            data,
            bundle_mode,
            reserved_concurrent_executions=self._stage.stream_concurrency,
            layers=[lambda_.LayerVersion.from_layer_version_arn(self, "WebAdapter", layer)],
        )
        function.add_environment("AWS_LAMBDA_EXEC_WRAPPER", "/opt/bootstrap")
        function.add_environment("AWS_LWA_INVOKE_MODE", "response_stream")
        # Alive, not ready: an environment that waits for a store would hold its watcher, and its bill, for minutes.
        function.add_environment("AWS_LWA_READINESS_CHECK_PATH", "/health")
        function.add_environment("PORT", "8000")
        url = function.add_function_url(
            auth_type=lambda_.FunctionUrlAuthType.AWS_IAM, invoke_mode=lambda_.InvokeMode.RESPONSE_STREAM
        )
        cdk.CfnOutput(self, "StreamUrl", value=url.url)
        access = cloudfront.FunctionUrlOriginAccessControl(
            self, "StreamAccess", origin_access_control_name=self._access_name("stream")
        )
        return origins.FunctionUrlOrigin.with_origin_access_control(
            url,
            origin_access_control=access,
            read_timeout=cdk.Duration.seconds(READ_TIMEOUT_S),
            keepalive_timeout=cdk.Duration.seconds(60),
        )

    def _access_name(self, origin: str) -> str:
        """Access controls and functions of CloudFront are an account's, not a region's."""
        return f"{physical(self._stage.name, 'candlewick')}-{origin}-{self.region}"

    def _distribution(self, data: DataStack, stream: cloudfront.IOrigin) -> cloudfront.Distribution:
        api_host = f"{self.http_api.api_id}.execute-api.{self.region}.{self.url_suffix}"
        access = cloudfront.S3OriginAccessControl(
            self, "SiteAccess", origin_access_control_name=self._access_name("site")
        )
        rest = origins.HttpOrigin(api_host, protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY)

        def live(origin: cloudfront.IOrigin) -> cloudfront.BehaviorOptions:
            return cloudfront.BehaviorOptions(
                origin=origin,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
                allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                compress=False,
            )

        return cloudfront.Distribution(
            self,
            "Distribution",
            comment=physical(self._stage.name, "candlewick"),
            default_root_object="index.html",
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            enable_logging=True,
            log_bucket=data.access_logs,
            log_file_prefix="cloudfront/",
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.S3BucketOrigin.with_origin_access_control(self.site, origin_access_control=access),
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
                response_headers_policy=self._headers(),
                function_associations=[
                    cloudfront.FunctionAssociation(
                        event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=self._pages()
                    )
                ],
            ),
            additional_behaviors={
                "/api/v2/stream": live(stream),
                "/api/v2/configurations/*/stream": live(stream),
                "/api/*": live(rest),
            },
            error_responses=[
                cloudfront.ErrorResponse(http_status=status, ttl=cdk.Duration.seconds(0)) for status in ERRORS
            ],
        )

    def _headers(self) -> cloudfront.ResponseHeadersPolicy:
        """The page comes from the bucket, which says nothing of its own: the headers of every answer of the API."""
        given = {name.decode(): value.decode() for name, value in (*SECURITY_HEADERS, HSTS)}
        security = cloudfront.ResponseSecurityHeadersBehavior(
            content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                content_security_policy=given.pop("content-security-policy"), override=True
            ),
            content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
            frame_options=cloudfront.ResponseHeadersFrameOptions(
                frame_option=cloudfront.HeadersFrameOption.DENY, override=True
            ),
            referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
            ),
            strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                access_control_max_age=cdk.Duration.days(365), include_subdomains=True, override=True
            ),
        )
        for name in ("x-content-type-options", "x-frame-options", "referrer-policy", "strict-transport-security"):
            del given[name]
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            response_headers_policy_name=self._access_name("headers"),
            security_headers_behavior=security,
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in given.items()
                ]
            ),
        )

    def _pages(self) -> cloudfront.Function:
        """The bucket has no page for an address such as /records, and would answer 403."""
        return cloudfront.Function(
            self,
            "Pages",
            function_name=self._access_name("pages"),
            code=cloudfront.FunctionCode.from_inline(PAGES),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
