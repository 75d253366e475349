"""What the report says, in tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drpose_ray.evaluation.page import Picture, Section, Table
from drpose_ray.evaluation.reward.map_quality import PAPER_TABLE_3
from drpose_ray.evaluation.reward.summary import CORRELATION_GOAL, PredictorReport, RewardReportSummary, SplitReport

_TWINS = (
    "Results from free stand-ins: rendered clothed bodies and a small VAE stand in for scans and for PSHuman's VAE. "
    "Nothing here is comparable with the paper's numbers but in kind."
)

_PART = "has a part in it"


def lead(summary: RewardReportSummary) -> list[str]:
    """The first sentences: what was tried, on which parts, what came out."""
    splits = summary.predictors[0].splits
    people = ", ".join(f"{split.num_people} people of {split.split}" for split in splits)
    found = [
        f"{one.name} ranks poses by how wrong they are: correlation {one.pooled.per_person.value:.3f} within a "
        f"person and {one.pooled.pooled.value:.3f} over all (1 is perfect, the goal is {CORRELATION_GOAL})"
        for one in summary.predictors
    ]
    tried = f"The reward was asked to tell right poses from wrong ones, and then attacked, on {people}."
    return [f"{'; '.join(found)}.", tried, *([_TWINS] if summary.twins else [])]


def table_3(summary: RewardReportSummary) -> Section:
    """PSNR, SSIM and the perceptual distance, ours and the paper's."""
    rows = [
        ["predictor, split", "people", "PSNR dB", "SSIM", summary.perceptual_title, "PSNR of 23 channels", "PoseScore"]
    ]
    for predictor, split in _each(summary):
        read = split.map_quality
        rows.append([
            f"{predictor.name}, {split.split}", str(split.num_people), read.psnr_db.show(), read.ssim.show(3),
            read.perceptual.show(3) if read.perceptual else "", read.channels_psnr_db.show(), read.pose_score.show(),
        ])  # fmt: skip
    paper = [["the paper's (real scans, LPIPS)", "PSNR dB", "SSIM", "LPIPS"]]
    paper += [
        [name, f"{psnr:.2f}", f"{ssim:.3f}", f"{lpips:.3f}"] for name, (psnr, ssim, lpips) in PAPER_TABLE_3.items()
    ]
    return Section(
        "Are the maps read well? (Table 3)",
        [
            "Means over people with 95 % bootstrap intervals.",
            Table(rows),
            Table(paper),
        ],
    )


def joint_errors(summary: RewardReportSummary, picture: Picture) -> Section:
    """Per joint and view."""
    rows = [["predictor, split", "centre of mass, cm", "brightest pixel, cm", "a pixel is, cm", "worst joints, cm"]]
    for predictor, split in _each(summary):
        read = split.map_quality
        worst = sorted(read.soft_error_cm_by_joint.items(), key=lambda item: -item[1])[:4]
        rows.append([
            f"{predictor.name}, {split.split}", read.soft_error_cm.show(1), read.peak_error_cm.show(1),
            f"{read.pixel_cm:.1f}", ", ".join(f"{joint.replace('_', ' ')} {cm:.0f}" for joint, cm in worst),
        ])  # fmt: skip
    return Section("Where are the joints? In-plane error", [Table(rows), picture])


def calibration(summary: RewardReportSummary, picture: Picture) -> Section:
    """Rank correlations, held against the goal."""
    rows = [["predictor, split", "poses", "pooled", "within a person", "people with at least 0.9"]]
    for predictor in summary.predictors:
        named = [(split.split, split.calibration) for split in predictor.splits] + [("all splits", predictor.pooled)]
        for name, found in named:
            rows.append([
                f"{predictor.name}, {name}", str(found.num_poses), found.pooled.show(3), found.per_person.show(3),
                f"{found.share_monotone:.0%}",
            ])  # fmt: skip
    reached = [
        f"{p.name}: {where} {found:.3f}, {'reaches' if found >= CORRELATION_GOAL else 'misses'} {CORRELATION_GOAL}"
        for p in summary.predictors
        for where, found in (("pooled", p.pooled.pooled.value), ("within a person", p.pooled.per_person.value))
    ]
    text = (
        "Spearman's rank correlation of minus PoseScore with the mean joint distance of poses whose limbs were turned. "
        "Pooled, people are ranked together whose true poses score differently; training compares poses of one person."
    )
    return Section(
        "Is a worse pose scored worse? Calibration",
        [text, Table(rows), f"Against the goal: {'; '.join(reached)}.", picture],
    )


def sensitivity(summary: RewardReportSummary, picture: Picture) -> Section:
    """Right against wrong, by view set."""
    views = list(dict.fromkeys(row.views for row in summary.predictors[0].splits[0].sensitivity))
    rows = [["predictor, split, what is wrong", "by, cm", *views]]
    for predictor, split in _each(summary):
        for wrong in dict.fromkeys(row.wrong for row in split.sensitivity):
            found = {row.views: row for row in split.sensitivity if row.wrong == wrong}
            cells = [f"{found[v].difference.value:+.2f} ({found[v].share_right:.0%})" for v in views]
            rows.append([f"{predictor.name}, {split.split}: {wrong}", f"{found[views[0]].distance_cm:.0f}", *cells])
    text = (
        "PoseScore of the right minus that of the wrong, and in how many people the right one wins. Depth cannot be "
        "seen from the front or the back: 0 % there means that nothing is made up."
    )
    return Section("Does it see what is wrong? Sensitivity", [text, Table(rows), picture])


def disturbed(summary: RewardReportSummary, picture: Picture) -> Section:
    """Blurred, shifted, noisy."""
    rows = [
        ["predictor, split, latents", "right pose", "another's pose", "right wins", "joint error cm", "shifted back"]
    ]
    for predictor, split in _each(summary):
        rows += [
            [
                f"{predictor.name}, {split.split}: {row.kind} {row.amount:g}", row.right.show(), row.wrong.show(),
                f"{row.share_right:.0%}", row.soft_error_cm.show(1), row.followed.show() if row.followed else "",
            ]
            for row in split.disturbed
        ]  # fmt: skip
    text = "A shift moves the person by that many latent pixels; shifted back, the same maps score as before."
    return Section("What if latents are not renders? Blur, shift, noise", [text, Table(rows), picture])


def hacking(summary: RewardReportSummary, pictures: Sequence[Picture]) -> Section:
    """Adversarial ascent."""
    judges = summary.judges
    rows = [["reward, norm, budget", "gained", "at random", "images kept to, dB", *(f"followed: {j}" for j in judges)]]
    right = [["reward", "itself", *judges]]
    for name, hacked in summary.attacked:
        for row in hacked:
            followed = [row.followed[judge].show() if judge in row.followed else _PART for judge in judges]
            rows.append([
                f"{name}, {row.norm} {row.budget:g}", row.gained.show(), row.gained_at_random.show(),
                row.image_psnr_db.show(1), *followed,
            ])  # fmt: skip
        others = hacked[0].judges_right
        shares = [f"{others[judge]:.0%}" if judge in others else _PART for judge in judges]
        right.append([name, f"{hacked[0].share_right:.0%}", *shares])
    cautious = [
        f"An ensemble pays the mean of its members less {team.deviations:g} x their standard deviation."
        for team in summary.ensembles[:1]
    ]
    text = (
        "Ascent starts at another person's latents. 1 is the whole gap to the latents that truly show the pose. Gained "
        "but not followed is hacked."
    )
    who = "In how many people the true latents are preferred to the start; of a judge that seldom does, ask no more:"
    tables = Table(rows), who, Table(right)
    return Section("Can it be fooled? Adversarial latents", [text, *cautious, *tables, *pictures])


def gradient(summary: RewardReportSummary) -> Section:
    """One step along the gradient."""
    parts: list[str | Table] = []
    for predictor in summary.predictors:
        judges = list(predictor.gradient[0].judges_change)
        rows = [["start, step", "PoseScore", "rose", "joints cm", "cosine to truth"]]
        rows[0] += [title for judge in judges for title in (judge, "rose", "random step")]
        for row in predictor.gradient:
            cells = [
                f"{row.start}, {row.step:g}", row.score_change.show(sign="+"), f"{row.share_improved:.0%}",
                row.joints_change_cm.show(sign="+"), row.cosine_to_truth.show(),
            ]  # fmt: skip
            for judge in judges:
                cells += [
                    row.judges_change[judge].show(sign="+"), f"{row.judges_improved[judge]:.0%}",
                    row.judges_change_at_random[judge].show(sign="+"),
                ]  # fmt: skip
            rows.append(cells)
        parts += [predictor.name, Table(rows)]
    text = (
        "A single step in the latents, its length in standard deviations. PoseScore and joints are the predictor's own "
        "opinion; the others had no part in the gradient."
    )
    return Section("Does the gradient move the pose the right way?", [text, *parts])


def _each(summary: RewardReportSummary) -> Iterator[tuple[PredictorReport, SplitReport]]:
    for predictor in summary.predictors:
        for split in predictor.splits:
            yield predictor, split
