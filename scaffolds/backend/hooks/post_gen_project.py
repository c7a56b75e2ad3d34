"""Put the backend into the page of backends, where the tree has one."""

from pathlib import Path

NAME, TITLE = "{{ cookiecutter.name }}", """{{ cookiecutter.title }}""".rstrip(".")
SECTION = f"""## {NAME}

{TITLE}. Input: `logits` FP32, any shape. Output: `probabilities` FP32, of the same shape, sum 1.

| parameter | default | meaning |
|---|---|---|
| `temperature` | 1 | above 1 levels the probabilities, below 1 sharpens them |

"""
LAST = "## Write one\n"

page = Path("backends", "README.md")
text = page.read_text("utf-8") if page.is_file() else ""
rows = [line for line in text.splitlines() if line.startswith("| [`")]
if rows and LAST in text and f"`{NAME}`]" not in text:
    row = f"| [`{NAME}`]({NAME}/model.py) | its temperature, in `parameters` | logits as probabilities |"
    text = text.replace(rows[-1], f"{rows[-1]}\n{row}").replace(LAST, SECTION + LAST)
    page.write_text(text, "utf-8")
