# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a table, as JSON, and as a plot."""

import statistics


class Results:
    """Seconds (or what `unit` says) by (job, peer), one value a run."""

    def __init__(self):
        self.values = {}
        self.units = {}

    def add(self, job, peer, value, unit="s"):
        self.values.setdefault((job, peer), []).append(value)
        self.units[job] = unit

    def jobs(self):
        return list(dict.fromkeys(job for job, _ in self.values))

    def peers(self, job):
        return [p for j, p in self.values if j == job]

    def median(self, job, peer):
        return statistics.median(self.values[job, peer])

    def as_json(self):
        return [{"job": job, "peer": peer, "unit": self.units[job],
                 "median": self.median(job, peer), "runs": runs}
                for (job, peer), runs in self.values.items()]

    def as_table(self, ours):
        """Markdown: a row a job and peer, with the ratio ours/theirs."""
        lines = ["| job | who | median | of runs | ours/theirs |",
                 "|---|---|---|---|---|"]
        for job in self.jobs():
            for peer in self.peers(job):
                runs = self.values[job, peer]
                ratio = ""
                if peer != ours and (job, ours) in self.values:
                    ratio = f"{self.median(job, ours) / self.median(job, peer):.2f}"
                lines.append(
                    f"| {job} | {peer} | {_figure(self.median(job, peer))} "
                    f"{self.units[job]} | {_figure(min(runs))}–{_figure(max(runs))} "
                    f"| {ratio} |")
        return "\n".join(lines)

    def as_svg(self, ours):
        """Bars, each job scaled to its slowest."""
        parts, y = [], 20
        for job in self.jobs():
            if len(self.peers(job)) < 2:
                continue
            parts.append(f'<text x="10" y="{y}" font-weight="bold">{job}</text>')
            slowest = max(self.median(job, p) for p in self.peers(job))
            for peer in self.peers(job):
                y += 18
                value = self.median(job, peer)
                colour = "#2a7" if peer == ours else "#999"
                width = max(1, 420 * value / slowest)
                parts.append(
                    f'<text x="130" y="{y}" text-anchor="end">{peer}</text>'
                    f'<rect x="140" y="{y - 11}" width="{width:.0f}" height="13" '
                    f'fill="{colour}"/><text x="{146 + width:.0f}" y="{y}">'
                    f"{_figure(value)} {self.units[job]}</text>")
            y += 30
        return ('<svg xmlns="http://www.w3.org/2000/svg" '
                f'width="680" height="{y}" font-family="sans-serif" '
                'font-size="12">' + "".join(parts) + "</svg>\n")


def _figure(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
