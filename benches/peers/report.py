"""Results as Markdown."""

from jobs import OURS


def tables(results):
    """`results`: job -> {title, is_compared_with_peers, contenders: name -> {wall, cpu, peak, bytes}}, all medians."""
    peers = {name: job for name, job in results.items() if job["peers"]}
    others = {name: job for name, job in results.items() if not job["peers"]}
    lines = []
    if peers:
        names = list(dict.fromkeys(name for job in peers.values() for name in job["contenders"]))
        lines += ["wall seconds / CPU seconds / peak MB, and how many times our wall and CPU time that is", ""]
        lines += ["| job | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for job in peers.values():
            cells = [cell(job["contenders"].get(name), job["contenders"][OURS], name) for name in names]
            lines.append(f"| {job['title']} | " + " | ".join(cells) + " |")
        lines.append("")
    if others:
        lines += ["| job | what | wall s | CPU s | peak MB | MB/s | MB per CPU s |", "|---|---|--:|--:|--:|--:|--:|"]
        for job in others.values():
            for name, usage in job["contenders"].items():
                size = usage["bytes"] or 0
                rate = f"{size / 1e6 / usage['wall']:.0f}" if size > 1e6 else ""
                per_cpu = f"{size / 1e6 / usage['cpu']:.0f}" if size > 1e6 and usage["cpu"] > 0 else ""
                numbers = f"{usage['wall']:.3f} | {usage['cpu']:.3f} | {usage['peak']:.0f} | {rate} | {per_cpu}"
                lines.append(f"| {job['title']} | {name} | {numbers} |")
    return "\n".join(lines)


def cell(usage, ours, name):
    if usage is None:
        return ""
    text = f"{usage['wall']:.2f} / {usage['cpu']:.2f} / {usage['peak']:.0f}"
    if name == OURS:
        return text
    return f"{text} ({usage['wall'] / ours['wall']:.1f} x, {usage['cpu'] / max(ours['cpu'], 0.001):.1f} x)"
