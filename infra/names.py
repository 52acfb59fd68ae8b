"""Names the code and the infrastructure share. The code's own modules need libraries that this venv lacks; a test in
the ordinary suite compares the two.
"""

from typing import Final

RAW_STREAM: Final = "raw-articles"
SCORED_STREAM: Final = "scored-articles"
NAMESPACE: Final = "SentimentAnalyzer"
PREFIX: Final = "CANDLEWICK_"
#: The AWS Lambda Web Adapter's layer, published by AWS; the account is AWS' own.
WEB_ADAPTER_ACCOUNT: Final = "753240598075"
WEB_ADAPTER_LAYER: Final = "LambdaAdapterLayerArm64:25"


def physical(stage: str, name: str) -> str:
    """`{env}-{name}`."""
    return f"{stage}-{name}"


def dashboard_name(stage: str, region: str = "") -> str:
    """Dashboards are an account's, not a region's: one on standby says where it is."""
    return physical(stage, "candlewick") + (f"-{region}" if region else "")


def function_name(stage: str, name: str) -> str:
    """`{env}-candlewick-{name}`."""
    return f"{stage}-candlewick-{name}"
