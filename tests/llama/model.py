"""A language model of 0.2 MB with random weights, as a GGUF file: what it says is noise, and counted like any text."""

from pathlib import Path

import gguf
import numpy

CONTEXT, WIDTH, HEADS, LAYERS, HIDDEN = 2048, 32, 4, 2, 64
WORDS = ["▁the", "▁a", "▁of", "▁and", "▁to", "▁in", "▁sun", "▁moon", "▁sea", "▁Hello", "er", "ing", "▁"]
TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"


def write_model(path: Path) -> None:
    """Llama's architecture; a vocabulary of single bytes and a few words."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("noise")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_chat_template(TEMPLATE)
    _add_tensors(writer, _add_vocabulary(writer))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter) -> int:
    kinds = gguf.TokenType
    tokens = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
    tokens += [(f"<0x{value:02X}>", kinds.BYTE) for value in range(256)]
    tokens += [(word, kinds.NORMAL) for word in WORDS]
    for key in ("fim_pre_token_id", "fim_suf_token_id", "fim_mid_token_id"):
        writer.add_uint32(f"tokenizer.ggml.{key}", len(tokens))
        tokens.append((f"<{key}>", kinds.CONTROL))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_scores([-float(place) for place in range(len(tokens))])
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return len(tokens)


def _add_tensors(writer: gguf.GGUFWriter, vocabulary: int) -> None:
    random = numpy.random.default_rng(7)
    shapes = {"token_embd": (vocabulary, WIDTH), "output": (vocabulary, WIDTH), "output_norm": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.{name}": (WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
        shapes |= {f"blk.{layer}.{name}": (HIDDEN, WIDTH) for name in ("ffn_gate", "ffn_up")}
        shapes |= {f"blk.{layer}.ffn_down": (WIDTH, HIDDEN)}
        shapes |= {f"blk.{layer}.{name}": (WIDTH,) for name in ("attn_norm", "ffn_norm")}
    for name, shape in shapes.items():
        values = numpy.ones(shape) if name.endswith("norm") else random.normal(0, 0.5, shape)
        writer.add_tensor(f"{name}.weight", values.astype(numpy.float32))
