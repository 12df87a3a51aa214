"""Questions in the schema of TIGER-Lab/MMLU-Pro, written for these tests: sums, in every subject."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SUBJECTS = (
    "biology", "business", "chemistry", "computer science", "economics", "engineering", "health", "history", "law",
    "math", "other", "philosophy", "physics", "psychology",
)  # fmt: skip
LETTERS = "ABCDEFGHIJ"


def write_questions(working_directory: Path, *, of_each_subject: int = 1) -> Path:
    """Put the questions where lm-eval by itself finds them: in a folder TIGER-Lab/MMLU-Pro of the working directory."""
    folder = working_directory / "TIGER-Lab" / "MMLU-Pro"
    data = folder / "data"
    data.mkdir(parents=True)
    _write(data / "test-00000-of-00001.parquet", of_each_subject, is_example=False)
    _write(data / "validation-00000-of-00001.parquet", 5, is_example=True)
    return folder


def _write(path: Path, of_each_subject: int, *, is_example: bool) -> None:
    rows = []
    for number in range(of_each_subject):
        for place, subject in enumerate(SUBJECTS):
            a, b, count = number + 2, place + 3, 10 - place % 3  # not all questions have ten options
            right = (number + place) % count
            options = [str(a + b + option - right) for option in range(count)]
            rows.append(
                {
                    "question_id": len(rows),
                    "question": f"{a} + {b} = ?",
                    "options": options,
                    "answer": LETTERS[right],
                    "answer_index": right,
                    "cot_content": f"A: Let's think step by step. The answer is ({LETTERS[right]})." * is_example,
                    "category": subject,
                    "src": "tests",
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), path)
