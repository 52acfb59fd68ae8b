"""`candlewick deploy` on an emulator, run by the ordinary venv: `python -m tests.infra.deploying FOLDER CONTEXT…`.

FOLDER is made a checkout of its own by links, so that nothing is written into this one. All steps but the last: the
smoke test asks hosts by names that only the emulator knows; `tests/unit/test_cost_and_deploy.py` has that step. Then
`dashboards diff`, on what was deployed. Its last line is the stacks' outputs and the differences, as JSON.
"""

import json
import sys
from pathlib import Path

from ops import dashboards_cmd, deploy_cmd

ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = ("build", ".git")


def main() -> None:
    """Raises what a step raises."""
    root, context = Path(sys.argv[1]), sys.argv[2:]
    root.mkdir()
    for each in ROOT.iterdir():
        if each.name not in LEFT_OUT:
            (root / each.name).symlink_to(each)
    plan = deploy_cmd.plan_of("dev", "", context)
    steps = deploy_cmd.steps_of(plan, root)
    assert [step.name for step in steps] == ["doctor", "synth", "diff", "deploy", "site", "smoke"]
    for step in steps[:-1]:
        step.run()
    wanted = dashboards_cmd.wanted_widgets(root / dashboards_cmd.TEMPLATE)
    differences = dashboards_cmd.compare(wanted, dashboards_cmd.deployed_widgets("dev"))
    sys.stdout.write("\n")
    json.dump({"outputs": deploy_cmd.outputs(root), "differences": differences}, sys.stdout)


if __name__ == "__main__":
    main()
