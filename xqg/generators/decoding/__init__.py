"""From prompts to continuations: sampling from models of transformers, behind one protocol, `decoder.Decoder`."""
