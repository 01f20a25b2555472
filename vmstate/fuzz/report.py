"""What came of a campaign, for a reader."""

from __future__ import annotations

from vmstate.errors import one_line
from vmstate.fuzz.campaign import Campaign, Summary
from vmstate.fuzz.coverage import reachable


def progress_line(summary: Summary) -> str:
    """A campaign in one line, while it runs."""
    verdicts = summary.coverage.verdicts
    counts = ", ".join(f"{kind} {count}" for kind, count in verdicts.most_common())
    return f"{summary.runs} runs, {summary.rate:.0f}/s, {len(summary.findings)} findings; {counts}"


def text(campaign: Campaign) -> str:
    """The summary."""
    summary = campaign.summary
    touched = summary.coverage
    fields, rules = reachable(campaign.subjects)
    settings = campaign.settings
    counts = ", ".join(f"{count} {kind}" for kind, count in touched.verdicts.most_common()) or "nothing run"
    took = f"{summary.seconds:.1f} s ({summary.rate:.1f}/s)"
    lines = [
        f"{settings.target}: {summary.runs} runs in {took}, seed {settings.seed}",
        f"verdicts: {counts}",
        f"fields touched: {len(fields & set(touched.fields))} of {len(fields)}",
        f"rules touched: {len(rules & set(touched.rules))} of {len(rules)}",
        f"mutators: {len(touched.mutators)}, kinds of refusal: {len(touched.refusals)}",
    ]
    predicted = summary.right + summary.wrong
    if predicted:
        share = 100 * summary.right / predicted
        lines.append(f"prediction: {summary.right} of {predicted} right ({share:.2f} %)")
    lines += [f"{count} times {difference}" for difference, count in touched.differences.most_common()]
    for finding in summary.findings.values():
        lines.append(f"finding {finding.id}: {finding.verdict.kind}, {finding.times} times: {finding.verdict.place}")
        lines.append(f"  {finding.verdict.message}")
        lines += [f"  {mutation}" for mutation in finding.mutations]
    lines.append(f"{len(summary.findings)} findings" if summary.findings else "nothing found")
    return "\n".join(map(one_line, lines))
