from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from rankkit.data.datasets.tfds import read_columns


class Numbers(tfds.core.GeneratorBasedBuilder):
    """Rows of two columns, in files that TFDS reads interleaved."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"number": np.int64, "text": np.str_})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(1500):
            yield number, {"number": number, "text": str(number)}


def test_rows_of_many_files_come_in_tfdss_order(tmp_path):
    builder: Any = Numbers(data_dir=tmp_path)
    # More files than TFDS reads at once, so that its way of taking turns matters.
    config = tfds.download.DownloadConfig(num_shards=20)
    builder.download_and_prepare(download_config=config)
    assert len(builder.info.splits["train"].filepaths) == 20
    expected = [int(row["number"]) for row in tfds.as_numpy(builder.as_dataset(split="train"))]
    rows = read_columns(builder, ["text", "number"])
    assert rows["number"].tolist() == expected
    assert rows["text"].tolist() == [str(number) for number in expected]
