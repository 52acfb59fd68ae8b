"""`dashboards diff` on a dashboard that somebody changed by hand."""

import json

from ops.dashboards_cmd import by_title, compare


def test_a_widget_without_a_place_is_one_more() -> None:
    """CloudWatch takes it so and finds a place."""
    placed = {"type": "text", "width": 6, "height": 1, "x": 0, "y": 0, "properties": {"markdown": "ours"}}
    by_hand = {"type": "text", "properties": {"markdown": "by hand"}}
    wanted, deployed = (by_title(json.dumps({"widgets": widgets})) for widgets in ([placed], [placed, by_hand]))
    assert compare(wanted, deployed) == {"missing": [], "extra": ["by hand"], "different": []}
    moved = by_title(json.dumps({"widgets": [{name: placed[name] for name in ("type", "properties")}]}))
    assert compare(wanted, moved)["different"] == ["ours"]
