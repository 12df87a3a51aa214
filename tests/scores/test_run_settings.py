"""What was run, not what it was called: settings of a run become the model's or the protocol's identity."""

import json
from pathlib import Path
from typing import Any

import pytest

from shape_audit.scores import LM_EVAL_COT, LM_EVAL_LETTERS, known_scores, read_scores
from shape_audit.scores.run_settings import parsed_arguments, run_settings
from tests.scores.result_files import write
from tests.scores.test_lm_eval_files import SHA, cot, letters

NAME = "org/name"


def score_of(content: dict[str, Any], folder: Path) -> Any:
    (score,) = read_scores([write(folder / "results_x.json", content)]).scores
    return score


def with_arguments(content: dict[str, Any], arguments: dict[str, Any], form: str, **changes: Any) -> dict[str, Any]:
    """The content with arguments of the model, as an object, a text or JSON."""
    text = ",".join(f"{key}={value}" for key, value in arguments.items())
    content["config"]["model_args"] = {"object": arguments, "text": text, "json": json.dumps(arguments)}[form]
    return content | changes


@pytest.mark.parametrize("form", ["object", "text", "json"])
@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        ({"peft": "org/lora"}, "peft=org/lora"),
        ({"delta": "org/delta"}, "delta=org/delta"),
        ({"lora_local_path": "./out/lora"}, "lora_local_path=./out/lora"),
        ({"load_in_4bit": True}, "load_in_4bit"),
        ({"load_in_8bit": "True"}, "load_in_8bit"),
        ({"quantization": "fp8"}, "quantization=fp8"),
        ({"autogptq": "a.safetensors"}, "autogptq=a.safetensors"),
        ({"quantization": "bitsandbytes", "load_format": "bitsandbytes"}, "load_format=bitsandbytes+quantization="),
        ({"load_format": "dummy"}, "load_format=dummy"),
        ({"gguf_file": "x-q4.gguf"}, "gguf_file=x-q4.gguf"),
        ({"dtype": "int8"}, "dtype=int8"),
        ({"kv_cache_dtype": "fp8"}, "kv_cache_dtype=fp8"),
        ({"peft_model_id": "org/lora"}, "peft_model_id=org/lora"),
        ({"adapter_name_or_path": "./a"}, "adapter_name_or_path=./a"),
        ({"load-in-4bit": True}, "load_in_4bit"),
        ({"use_exllamav2": "False", "hqq_config": "4"}, "hqq_config=4"),
    ],
)
def test_other_weights_never_stand_under_the_model(
    arguments: dict[str, Any], change: str, form: str, tmp_path: Path
) -> None:
    content = with_arguments(letters(), {"pretrained": NAME, **arguments}, form)
    assert score_of(content, tmp_path).model.startswith(f"{NAME}+{change}")
    known = known_scores(NAME, scores=[tmp_path], posted=False)
    assert known.scores == () and change in known.warnings[0] and "other weights" in known.warnings[1]


@pytest.mark.parametrize("form", ["object", "text"])
@pytest.mark.parametrize(
    "arguments",
    [{"load_in_4bit": False}, {"peft": None}, {"quantization": "None"}, {"autogptq": "False"}, {"delta": ""},
     {"dtype": "bfloat16"}, {"dtype": "float16"}, {"trust_remote_code": True}, {"parallelize": True},
     {"tensor_parallel_size": 4, "gpu_memory_utilization": 0.9, "max_model_len": 8192}, {"revision": "main"},
     {"tokenizer": NAME}, {"kv_cache_dtype": "auto"}, {"max_lora_rank": 16, "enable_lora": False},
     {"bnb_4bit_compute_dtype": "bfloat16"}, {"gptqmodel": True}, {"autogptq": "True"}, {"quantization": "awq_marlin"},
     {"quantization": "compressed-tensors"}, {"load_format": "mistral"}, {"load_format": "runai_streamer"},
     {"attn_implementation": "sdpa"}, {"max_length": 4096},
     {"max_gen_toks": 512}],
)  # fmt: skip
def test_settings_that_change_nothing_change_no_name(arguments: dict[str, Any], form: str, tmp_path: Path) -> None:
    score = score_of(with_arguments(cot(), {"pretrained": NAME, **arguments}, form), tmp_path)
    assert (score.model, score.protocol, score.revision) == (NAME, LM_EVAL_COT, SHA)


@pytest.mark.parametrize(
    ("name", "arguments", "change"),
    [
        ("org/name-bnb-4bit", {"quantization": "bitsandbytes", "load_format": "bitsandbytes"}, ""),
        ("org/name-bnb-4bit", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, ""),
        ("./name-FP8/", {"quantization": "fp8"}, ""),
        ("./int8/name", {"load_in_8bit": True}, "+load_in_8bit"),
        ("org/name-qat-int4-unquantized", {"load_in_4bit": True}, "+load_in_4bit"),
        ("org/name_bnb_4bit_merged_16bit", {"load_in_4bit": True}, "+load_in_4bit"),
        ("org/name-FP8", {"kv_cache_dtype": "fp8"}, "+kv_cache_dtype=fp8"),
        ("org/name-bnb-4bit", {"load_format": "dummy"}, "+load_format=dummy"),
        ("org/name-GGUF", {"gguf_file": "x-q4.gguf"}, "+gguf_file=x-q4.gguf"),
    ],
)
def test_weights_that_lie_quantised_are_loaded_as_such(
    name: str, arguments: dict[str, Any], change: str, tmp_path: Path
) -> None:
    content = with_arguments(letters(), {"pretrained": name, **arguments}, "object", model_name=name)
    assert score_of(content, tmp_path).model == f"{name}{change}"
    content = with_arguments(letters(), {"pretrained": "/served", **arguments}, "object", model_name="/served")
    (score,) = read_scores([f"{name}={write(tmp_path / 'results_x.json', content)}"]).scores
    assert score.model == f"{name}{change}", "the user's word for what was run"


@pytest.mark.parametrize("form", ["object", "text"])
@pytest.mark.parametrize(
    ("arguments", "departure"),
    [
        ({"enable_thinking": True}, "+enable_thinking=true"),
        ({"enable_thinking": False}, "+enable_thinking=false"),
        ({"chat_template_args": '{"enable_thinking":false}'}, "+enable_thinking=false"),
        ({"think_end_token": "</think>"}, "+think_end_token=/think"),
        ({"chat_template_args": {"thinking": True}}, "+thinking=true"),
        ({"chat_template_kwargs": {"date_string": "1 Jan"}}, "+date_string=1Jan"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "+rope_scaling=a64de122"),
        ({"max_model_len": 2048}, "+max_length=2048"),
        ({"add_bos_token": True}, "+add_bos_token=true"),
        ({"tokenizer": "org/other"}, "+tokenizer=org/other"),
        ({"reasoning_effort": "high"}, "+reasoning_effort=high"),
    ],
)
def test_ways_of_answering_are_protocols_of_their_own(
    arguments: dict[str, Any], departure: str, form: str, tmp_path: Path
) -> None:
    content = with_arguments(cot(), {"pretrained": NAME, **arguments}, form)
    del content["chat_template"]  # as older files do not say whether there was one
    score = score_of(content, tmp_path)
    assert (score.model, score.protocol) == (NAME, LM_EVAL_COT + departure)


@pytest.mark.parametrize(
    ("arguments", "backend", "departure"),
    [
        ({"enable_thinking": False}, "hf", ""),
        ({"chat_template_args": {"enable_thinking": False, "date_string": "1 Jan"}}, "vllm", ""),
        ({"enable_thinking": False, "think_end_token": "</think>"}, "vllm", "+think_end_token=/think"),
        ({"enable_thinking": False}, "local-chat-completions", "+chat_template=api+enable_thinking=false"),
    ],
)
def test_switches_of_a_template_that_was_not_used_change_nothing(
    arguments: dict[str, Any], backend: str, departure: str, tmp_path: Path
) -> None:
    content = with_arguments(cot(), {"pretrained": NAME, **arguments}, "object", chat_template=None)
    content["config"]["model"] = backend
    assert score_of(content, tmp_path).protocol == LM_EVAL_COT + departure


@pytest.mark.parametrize(("length", "departure"), [(4096, "+max_gen_toks=4096"), (2048, "")])
def test_the_models_own_length_counts_where_the_task_says_none(length: int, departure: str, tmp_path: Path) -> None:
    content = with_arguments(cot(), {"pretrained": NAME, "max_gen_toks": length}, "object")
    for config in content["configs"].values():
        del config["generation_kwargs"]["max_gen_toks"]
    assert score_of(content, tmp_path).protocol == LM_EVAL_COT + departure


@pytest.mark.parametrize("gen_kwargs", ["until=Question:", "num_beams=1,repetition_penalty=1.0", {"top_p": 1}])
def test_other_spellings_of_the_stock_way_are_that_way(gen_kwargs: Any, tmp_path: Path) -> None:
    content = cot()
    content["config"]["gen_kwargs"] = gen_kwargs
    assert score_of(content, tmp_path).protocol == LM_EVAL_COT


def test_a_models_own_tokenizer_is_no_other_however_it_is_served(tmp_path: Path) -> None:
    content = letters()
    served = f"model=/models/served,tokenizer={NAME},base_url=http://h"
    content["config"] = {"model": "local-completions", "model_args": served}
    file = write(tmp_path / "results_x.json", {key: content[key] for key in content if key != "model_name"})
    (score,) = read_scores([f"{NAME}={file}"]).scores
    assert (score.model, score.protocol) == (NAME, LM_EVAL_LETTERS)


@pytest.mark.parametrize("gen_kwargs", [{"max_gen_toks": 512}, "max_gen_toks=512", '{"max_gen_toks": 512}'])
def test_gen_kwargs_count_even_where_the_tasks_config_is_silent(gen_kwargs: Any, tmp_path: Path) -> None:
    content = cot()
    content["config"]["gen_kwargs"] = gen_kwargs
    assert score_of(content, tmp_path).protocol == f"{LM_EVAL_COT}+max_gen_toks=512"


@pytest.mark.parametrize(
    ("changes", "departure"),
    [
        ({"chat_template_sha": "91aa728a" + "0" * 56}, "+chat_template=91aa728a"),
        ({"chat_template": "abc"}, "+chat_template=ba7816bf"),
        ({"system_instruction": "abc"}, "+system_instruction=ba7816bf"),
        ({"chat_template_sha": "91aa728a" + "0" * 56, "fewshot_as_multiturn": True},
         "+chat_template=91aa728a+fewshot_as_multiturn=true"),
        ({"fewshot_as_multiturn": False, "chat_template": None}, ""),
    ],
)  # fmt: skip
def test_prompting_is_part_of_the_protocol(changes: dict[str, Any], departure: str, tmp_path: Path) -> None:
    assert score_of(letters() | changes, tmp_path).protocol == LM_EVAL_LETTERS + departure


def test_a_chat_interface_has_a_template_that_no_file_shows(tmp_path: Path) -> None:
    content = cot()
    content["config"] = {"model": "local-chat-completions", "model_args": "model=org/name,base_url=http://h/v1"}
    assert score_of(content, tmp_path).protocol == f"{LM_EVAL_COT}+chat_template=api"


def test_prompts_in_other_words_are_edited_tasks(tmp_path: Path) -> None:
    for text, is_edited in (("{{question}}\nAnswer:", True), ("<function doc_to_text at 0x7f>", False),
                            ("def doc_to_text(doc):\n    return 1", False)):  # fmt: skip
        content = letters()
        content["configs"]["leaderboard_mmlu_pro"]["doc_to_text"] = text
        assert ("+edited=" in score_of(content, tmp_path).protocol) is is_edited
    content = letters()
    content["configs"]["leaderboard_mmlu_pro"]["gen_prefix"] = "The answer is"
    assert "+edited=" in score_of(content, tmp_path).protocol


@pytest.mark.parametrize(
    ("config", "revision"),
    [
        ({"model_sha": SHA, "model_revision": "main"}, SHA),
        ({"model_sha": "", "model_revision": "step1000"}, "step1000"),
        ({"model_args": f"pretrained={NAME},revision=step1000"}, "step1000"),
        ({"model_args": {"pretrained": NAME, "revision": "v2"}}, "v2"),
        ({"model_args": f"pretrained={NAME},revision=main", "model_revision": "main"}, None),
    ],
)
def test_the_revision_is_found_wherever_it_stands(config: dict[str, Any], revision: str | None, tmp_path: Path) -> None:
    content = letters()
    content["config"] = {"model": "vllm", "model_args": f"pretrained={NAME}"} | config
    assert score_of(content, tmp_path).revision == revision
    known = known_scores(NAME, scores=[tmp_path], posted=False)
    is_other = revision not in (None, SHA)
    assert (
        bool(known.scores[0].set_apart) is is_other and (f"of revision {revision}" in str(known.warnings)) is is_other
    )
    (asked,) = known_scores(f"{NAME}@{revision or 'main'}", scores=[tmp_path], posted=False).scores
    assert asked.set_apart is None


def test_a_branch_beside_its_commit_is_another_revision_until_the_commit_is_the_models_own(tmp_path: Path) -> None:
    """The backend of transformers writes both."""
    content = letters()
    content["config"] |= {"model_args": f"pretrained={NAME},revision=step1000", "model_revision": "step1000"}
    write(tmp_path / "results_x.json", content)

    def set_apart(asked: str) -> str | None:
        (score,) = known_scores(asked, scores=[tmp_path], posted=False).scores
        assert score.revision == SHA
        return score.set_apart

    assert set_apart(NAME) == "of revision step1000" == set_apart(f"{NAME}@{'b' * 40}")
    assert set_apart(f"{NAME}@step1000") is None is set_apart(f"{NAME}@{SHA}")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model": "org/name", "model_args": None}, "org/name"),
        ({"model": "hf", "model_args": {"pretrained": "LlamaForCausalLM(\n  (model): LlamaModel(\n"}}, None),
        ({"model": "<lm_eval.models.huggingface.HFLM object at 0x7f>", "model_args": None}, None),
        ({"model": "<class 'lm_eval.models.huggingface.HFLM'>"}, None),
        ({"model": "lm_eval.models.vllm_causallms.VLLM"}, None),
        ({"model": "Qwen2.5-0.5B"}, "Qwen2.5-0.5B"),
        ({"model": "hf", "model_args": ""}, None),
        ({"model": "HFLM", "model_args": None}, None),
        ({"model": "vllm", "model_args": "pretrained=org/name,dtype=auto"}, "org/name"),
        ({"model": "local-completions", "model_args": {"model": "org/name", "base_url": "http://h"}}, "org/name"),
    ],
)
def test_the_models_name_is_found_wherever_it_stands(config: dict[str, Any], name: str | None, tmp_path: Path) -> None:
    content = letters() | {"config": config}
    del content["model_name"]
    read = read_scores([write(tmp_path / "results_x.json", content)])
    assert [score.model for score in read.scores] == [name] * bool(name)
    assert name or "does not say which model" in read.skipped[0].reason


@pytest.mark.parametrize(
    "arguments", [None, 5, [], "", "a", "=", "a=,b", "{", "{}", '{"a": ', "x=[1,2", "a='b,c=d", ["a=b"]]
)
def test_arguments_of_any_form_are_survived(arguments: Any) -> None:
    assert isinstance(parsed_arguments(arguments), dict)
    assert run_settings(arguments, config={}).changes == ()


def test_commas_in_brackets_do_not_part_arguments() -> None:
    text = 'pretrained=org/name,chat_template_args={"enable_thinking": false, "n": 2},dtype=auto,revision=00123456'
    given = parsed_arguments(text)
    assert given["enable_thinking"] is False and given["n"] == 2 and given["revision"] == "00123456"
