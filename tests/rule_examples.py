"""A body for every rule of the catalogue, which breaks it, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass

from runner.core.catalog import ModelInfo
from tests.body_maker import CATALOG, IMAGE, UUID, Raw, least_body

VIDEO = "https://example.com/video"
AUDIO = "https://example.com/audio"
FIRST = {"uri": IMAGE, "position": "first"}
LAST = {"uri": IMAGE, "position": "last"}
REFERENCE = {"uri": IMAGE}
SHOT = {"duration": 8, "prompt": "a"}


@dataclass(frozen=True, kw_only=True)
class Example:
    """A body that breaks one rule, and what is said of it."""

    endpoint: str
    models: str
    body: Raw
    path: str
    message: str  # `{name}` stands for the model
    hint: str = ""
    severity: str = "error"


def example(endpoint: str, models: str, body: Raw, path: str, message: str, **more: str) -> Example:
    return Example(endpoint=endpoint, models=models, body=body, path=path, message=message, **more)


FRAMES = "veo3.1 veo3.1_fast kling2.5_turbo_pro gemini_omni_flash_1.1 h3_max kling_4"
KLING = "klingO3_4k kling3.0_4k kling3.0_pro kling3.0_standard klingO3_pro klingO3_standard"
KLING_EDIT = "klingO3_4k klingO3_pro klingO3_standard"
SEEDANCE = "seedance2 seedance2_fast seedance2_mini"
EITHER = f"hailuo3 {SEEDANCE} seedance2_5 wan3 wan3_prime"
TAGGED = (
    "gen4_image_turbo gen4_image gpt_image_2 gpt_image_2_5_flare gpt_image_2_5_sunburst "
    "gemini_image3.1_flash gemini_image3.1_flash_lite gemini_image3_pro nano_banana_2.1"
)
SUBJECTS = "gemini_image3.1_flash gemini_image3.1_flash_lite gemini_image3_pro"

EXAMPLES = [
    # Frames and references
    example(
        "image_to_video", f"{FRAMES} {KLING}", {"promptImage": [FIRST, FIRST]},
        "promptImage[1].position", "`promptImage` has more than 1 item with `position: first`",
        hint="{name} takes at most 1",
    ),
    example(
        "image_to_video", f"{FRAMES} {KLING}", {"promptImage": [LAST]},
        "promptImage[0].position",
        "`position: last` alone: {name} needs an item with `position: first` too",
    ),
    example(
        "image_to_video", "kling_4", {"promptImage": [{"uri": IMAGE, "position": "middle"}]},
        "promptImage[0].position",
        "`position: middle` alone: {name} needs an item with `position: first` too",
    ),
    example(
        "image_to_video", "kling_4", {"promptImage": IMAGE, "references": [REFERENCE] * 10},
        "references",
        "`promptImage` and `references` together hold 11 items, {name} takes at most 10",
    ),
    example(
        "image_to_video", EITHER, {"promptImage": [FIRST, REFERENCE]},
        "promptImage[1]", "items of `promptImage` with and without `position` cannot be mixed",
        hint="images with a `position` are frames, images without are references: use one kind",
    ),
    example(
        "image_to_video", EITHER, {"promptImage": [FIRST, FIRST], "ratio": "{auto}"},
        "promptImage[1].position", "`promptImage` has more than 1 item with `position: first`",
        hint="{name} takes at most 1", severity="warning",
    ),
    example(
        "image_to_video", EITHER, {"promptImage": [LAST], "ratio": "{auto}"},
        "promptImage[0].position",
        "`position: last` alone: {name} needs an item with `position: first` too",
        severity="warning",
    ),
    example(
        "image_to_video", "wan3 wan3_prime", {"promptImage": [FIRST], "ratio": "1280:720"},
        "ratio",
        "`ratio` must be `auto_480p`, `auto_720p` or `auto_1080p` with `position` in "
        "`promptImage`, got `1280:720`",
    ),
    example(
        "text_to_video", "hailuo3", {"ratio": "adaptive"},
        "ratio", "{name} needs `references` or `referenceVideos` with `ratio: adaptive`",
        hint="give a reference, or a ratio like `16:9`",
    ),
    example(
        "text_to_video", "grok_imagine_1_5", {"referenceAudio": [{"type": "audio", "uri": AUDIO}]},
        "references", "`references` is missing: {name} needs it with `referenceAudio`",
    ),
    example(
        "text_to_video", "grok_imagine_1_5", {"references": [REFERENCE], "resolution": "1080p"},
        "resolution", "`resolution` must be `480p` or `720p` with `references`, got `1080p`",
        severity="warning",
    ),
    *(
        example(
            endpoint, f"{SEEDANCE} seedance2_5",
            {"referenceAudio": [{"type": "audio", "uri": AUDIO}]},
            "promptText", "`promptText` is missing: {name} needs it with `referenceAudio`",
            severity="warning",
        )
        for endpoint in ("image_to_video", "video_to_video")
    ),
    example(
        "video_to_video", "gen4_aleph", {"references": [{"type": "image", "uri": IMAGE}] * 2},
        "references", "`references` holds 2 items, {name} takes at most 1", severity="warning",
    ),
    # Shots
    *(
        example(
            endpoint, models, {"promptText": "a", "providerSettings": {"multiPrompt": [SHOT] * 2}},
            "providerSettings.multiPrompt",
            "the `duration` of all `providerSettings.multiPrompt` adds up to 16, "
            "{name} takes 3 to 15",
        )
        for endpoint, models in (
            ("image_to_video", KLING), ("text_to_video", KLING), ("video_to_video", KLING_EDIT),
        )
    ),
    *(
        example(
            endpoint, KLING,
            {"providerSettings": {"shotType": "intelligence", "multiPrompt": [SHOT]}},
            "promptText",
            "`promptText` is missing: {name} needs it with "
            "`providerSettings.shotType: intelligence`",
        )
        for endpoint in ("image_to_video", "text_to_video")
    ),
    example(
        "text_to_video", KLING, {},
        "promptText", "{name} needs `promptText` or `providerSettings.multiPrompt`",
        severity="warning",
    ),
    example(
        "recipes/multi_shot_video", "custom", {"shots": [{"duration": 2, "prompt": "abc"}] * 3},
        "shots", "the `duration` of all `shots` adds up to 6, `duration` is 10 by default",
    ),
    # Formats
    *(
        example(
            endpoint, "gen4.5", {"proresProfile": "422"},
            "proresProfile",
            "`outputFormat` must be `prores` or `hdr_prores` with `proresProfile`, "
            "by default it is `mp4`",
            hint="write `outputFormat: prores`",
        )
        for endpoint in ("image_to_video", "text_to_video")
    ),
    *(
        example(
            endpoint, "gen4.5", {"outputFormat": "hdr_prores", "proresProfile": "422 LT"},
            "proresProfile",
            "`proresProfile` must be `422`, `422 HQ` or `4444` with `outputFormat: hdr_prores`, "
            'got `"422 LT"`',
        )
        for endpoint in ("image_to_video", "text_to_video")
    ),
    example(
        "video_to_video", "aleph2", {"proresProfile": "422", "outputFormat": "mp4"},
        "outputFormat", "`outputFormat` must be `prores` with `proresProfile`, got `mp4`",
    ),
    example(
        "video_to_hdr", "ruby", {"proresProfile": "422"},
        "proresProfile",
        "`outputFormat` must be `hdr_prores` with `proresProfile`, by default it is `hdr10`",
        hint="write `outputFormat: hdr_prores`",
    ),
    *(
        example(
            endpoint, "hailuo3", {"resolution": "2K"},
            "resolution", "`resolution: 2K` is an old spelling", hint="write `2k`",
            severity="warning",
        )
        for endpoint in ("image_to_video", "text_to_video", "video_to_video")
    ),
    example(
        "image_to_video", "happyhorse_1_0", {"resolution": "720P"},
        "resolution", "`resolution: 720P` is an old spelling", hint="write `720p`",
        severity="warning",
    ),
    example(
        "text_to_image", "seedream5_lite", {"ratio": "1024:1024"},
        "ratio", "`ratio` of `1024:1024` has 1,048,576 pixels, {name} takes 3,686,400 to "
        "16,777,216",
    ),
    example(
        "text_to_image", "recraft_v4_1_flash recraft_v4_1_vector", {"colors": ["#FF8800", "red"]},
        "colors[1]", "`colors[1]` must be written like `#FF8800`, got `red`", severity="warning",
    ),
    example(
        "text_to_image", "recraft_v4_1_flash recraft_v4_1_vector", {"backgroundColor": "red"},
        "backgroundColor", "`backgroundColor` must be written like `#FF8800`, got `red`",
        severity="warning",
    ),
    # Drafts and modes
    *(
        example(
            endpoint, "seedance2_5", {"promptText": "a", "draft": True, "outputFormat": "mov"},
            "outputFormat", "`outputFormat` must be `mp4` with `draft: true`, got `mov`",
        )
        for endpoint in ("image_to_video", "text_to_video", "video_to_video")
    ),
    example(
        "text_to_video", "seedance2_5", {"draftTaskId": UUID, "duration": 5, "seed": 1},
        "draftTaskId", "nothing can be given beside `draftTaskId`",
        hint="leave out `duration` and `seed`",
    ),
    example(
        "text_to_video", "seedance2_5", {"references": [REFERENCE]},
        "promptText", "{name} needs `promptText` or `draftTaskId`", severity="warning",
    ),
    example(
        "video_to_video", "seedance2_5", {"mode": "extend"},
        "promptText", "`promptText` is missing: {name} needs it with `mode: extend`",
    ),
    example(
        "video_to_video", "seedance2_5",
        {"mode": "edit", "promptText": "a", "duration": "auto", "ratio": "1280:720"},
        "ratio", "`ratio` cannot be given with `mode: edit`", hint="leave it out",
    ),
    example(
        "video_to_video", "seedance2_5", {"mode": "edit", "promptText": "a"},
        "mode", "`duration` must be `auto` with `mode: edit`, by default it is 5",
        hint="write `duration: auto`",
    ),
    example(
        "video_to_video", "gemini_omni_flash_1.1", {"mode": "edit", "ratio": "1280:720"},
        "ratio", "`ratio` cannot be given with `mode: edit`", hint="leave it out",
    ),
    # Keyframes
    example(
        "video_to_video", "aleph2",
        {"keyframes": [
            {"at": 0, "uri": IMAGE, "range": {"start_seconds": 0, "end_seconds": 2}},
            {"at": 1, "uri": IMAGE},
        ]},
        "keyframes[1]", "items of `keyframes` with and without `range` cannot be mixed",
        hint="give all of them a `range`, or none",
    ),
    example(
        "video_to_video", "aleph2",
        {"keyframes": [
            {"seconds": 2, "uri": IMAGE, "range": {"start_seconds": 0, "end_seconds": 2}}
        ]},
        "keyframes[0].seconds", "`seconds: 2` lies outside its `range` of 0 to 2",
    ),
    example(
        "video_to_video", "aleph2",
        {"keyframes": [{"at": 1, "uri": IMAGE, "range": {"start_seconds": 3, "end_seconds": 3}}]},
        "keyframes[0].range", "`range` ends at 3, before it begins (3)",
    ),
    # Reference images
    example(
        "text_to_image", f"{TAGGED} gemini_2.5_flash",
        {"referenceImages": [{"uri": IMAGE, "tag": "cat"}] * 2},
        "referenceImages[1].tag", "two items of `referenceImages` have the tag `cat`",
        hint="give each a tag of its own",
    ),
    example(
        "text_to_image", SUBJECTS, {"referenceImages": [{"uri": IMAGE, "subject": "human"}] * 6},
        "referenceImages[5].subject",
        "`referenceImages` has more than 5 items with `subject: human`",
        hint="{name} takes at most 5",
    ),
    example(
        "text_to_image", "grok_imagine_image_2", {"edit": True},
        "referenceImages", "`referenceImages` is missing: {name} needs it with `edit: true`",
    ),
    example(
        "text_to_image", "bria_fibo_edit_1_5",
        {"ratio": "1024:1024", "referenceImages": [REFERENCE]},
        "referenceImages",
        "`referenceImages` needs at least 2 items with `ratio: 1024:1024`",
    ),
    example(
        "text_to_image", "bria_fibo_edit_1_5", {},
        "referenceImages", "`referenceImages` is missing: {name} needs it", severity="warning",
    ),
    example(
        "text_to_image", "ideogram_4_5",
        {"maskUri": IMAGE, "ratio": "auto", "referenceImages": [REFERENCE]},
        "ratio", "`ratio` cannot be given with `maskUri`", hint="leave it out",
    ),
    example(
        "text_to_image", "ideogram_4_5",
        {"preciseEdit": True, "ratio": "auto", "referenceImages": [REFERENCE]},
        "ratio", "`ratio` cannot be given with `preciseEdit: true`", hint="leave it out",
    ),
    example(
        "text_to_image", "ideogram_4_5", {"preciseEdit": True},
        "referenceImages",
        "`referenceImages` is missing: {name} needs it with `preciseEdit: true`",
    ),
    example(
        "text_to_image", "ideogram_4_5", {"maskUri": IMAGE},
        "referenceImages", "`referenceImages` is missing: {name} needs it with `maskUri`",
        severity="warning",
    ),
    example(
        "text_to_image", "ideogram_4_5",
        {"quality": "very_low", "preciseEdit": True, "referenceImages": [REFERENCE]},
        "preciseEdit", "`preciseEdit` must be false with `quality: very_low`, got `true`",
    ),
    example(
        "text_to_image", "ideogram_4_5", {"ratio": "1280:720", "referenceImages": [REFERENCE]},
        "ratio", "`ratio` cannot be `1280:720` with `referenceImages`",
        hint="with reference images take `1024:576`, `576:1024`, `1408:704` or `704:1408`",
    ),
    example(
        "text_to_image", "ideogram_4_5", {"ratio": "1024:576"},
        "ratio", "`ratio` cannot be `1024:576` without `referenceImages`",
        hint="without reference images take `1280:720`, `720:1280`, `1440:720` or `720:1440`",
    ),
    # Routers
    example(
        "generate/video", "default",
        {"input": {"keyframes": [{"at": 0, "uri": IMAGE}]}},
        "input.keyframes",
        "`input.referenceVideos` needs an item with `role: source` with `input.keyframes`",
    ),
    example(
        "generate/video", "default",
        {"input": {"referenceImages": [{"role": "last", "uri": IMAGE}] * 2}},
        "input.referenceImages[1].role",
        "`input.referenceImages` has more than 1 item with `role: last`",
        hint="{name} takes at most 1",
    ),
    example(
        "generate/video", "default",
        {"input": {"referenceVideos": [{"role": "source", "uri": VIDEO}] * 2}},
        "input.referenceVideos[1].role",
        "`input.referenceVideos` has more than 1 item with `role: source`",
        hint="{name} takes at most 1",
    ),
    example(
        "generate/audio", "default",
        {"input": {"type": "speech", "promptText": "a", "loop": True}},
        "input.loop", "`input.loop` cannot be given with `input.type: speech`",
        hint="leave it out", severity="warning",
    ),
]  # fmt: skip

CASES = [(one, model) for one in EXAMPLES for model in one.models.split()]


def info_of(one: Example, model: str) -> ModelInfo:
    return CATALOG.endpoints[one.endpoint].models[model]


def broken(one: Example, model: str) -> Raw:
    """What the model requires, and what breaks the rule."""
    info = info_of(one, model)
    body = {**least_body(info), **one.body}
    if body.get("ratio") == "{auto}":  # frames of wan3 want such a ratio, others have none
        body["ratio"] = "auto_720p"
        if model not in {"wan3", "wan3_prime"}:
            del body["ratio"]
    return body
