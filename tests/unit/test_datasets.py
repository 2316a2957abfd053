"""Data sets: what is in them, how they split, and what is refused."""

import shutil

import pytest
import torch

from lenet import ConfigError, TrainConfig, datasets


def test_digits_are_whole_and_scaled(digits):
    assert digits.train.inputs.shape == (1500, 1, 28, 28)
    assert digits.test.inputs.shape == (297, 1, 28, 28)
    assert digits.input_shape == (1, 28, 28)
    everything = torch.cat([digits.train.inputs, digits.test.inputs])
    assert everything.min() == 0
    assert 0.9 < everything.max() <= 1
    assert digits.train.targets.bincount().min() > 100


def test_validation_is_the_same_for_every_subset_and_never_trained_on(digits):
    whole, held_out = digits.split(TrainConfig())
    part, same = digits.split(TrainConfig(train_samples=100, seed=3))
    assert len(held_out) == 125
    assert len(whole) == 1375
    assert len(part) == 100
    assert torch.equal(held_out.inputs, same.inputs)
    rows = {row.numpy().tobytes() for row in held_out.inputs}
    assert not any(row.numpy().tobytes() in rows for row in whole.inputs)


def test_a_split_shares_memory_with_the_data_set(digits):
    train, validation = digits.split(TrainConfig())
    storage = digits.train.inputs.untyped_storage().data_ptr()
    assert train.inputs.untyped_storage().data_ptr() == storage
    assert validation.inputs.untyped_storage().data_ptr() == storage


def test_a_split_that_leaves_nothing_is_refused(digits):
    with pytest.raises(ConfigError, match="both need at least one"):
        digits.split(TrainConfig(validation_fraction=1e-9))


def test_mnist_is_the_published_one(mnist_folder):
    mnist = datasets.load("mnist", mnist_folder.parents[1])
    assert mnist.train.inputs.shape == (60_000, 1, 28, 28)
    assert mnist.test.inputs.shape == (10_000, 1, 28, 28)
    # LeCun's page: 980 zeros and 1135 ones among the test digits.
    assert mnist.test.targets.bincount()[:2].tolist() == [980, 1135]
    # The mean and deviation that half of the world's scripts normalise with.
    assert mnist.train.inputs.mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert mnist.train.inputs.std().item() == pytest.approx(0.3081, abs=1e-4)
    assert str(mnist_folder) in mnist.source


def damaged(mnist_folder, root):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in mnist_folder.iterdir():
        shutil.copyfile(file, raw / file.name)
    return raw


def test_an_altered_file_is_refused(mnist_folder, tmp_path):
    file = damaged(mnist_folder, tmp_path) / "train-labels-idx1-ubyte"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(datasets.DataError, match=r"train-labels.* is not the published file"):
        datasets.load("mnist", tmp_path)


def test_a_file_cut_short_is_refused(mnist_folder, tmp_path):
    file = damaged(mnist_folder, tmp_path) / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(datasets.DataError, match=r"t10k-images.* has 5,000 bytes"):
        datasets.load("mnist", tmp_path)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """No data set on this machine, and no network."""

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", refuse)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("STUDY_DATA_DIR", raising=False)


@pytest.mark.usefixtures("offline")
def test_a_missing_file_that_cannot_be_downloaded_is_named(mnist_folder, tmp_path):
    (damaged(mnist_folder, tmp_path / "here") / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(datasets.DataError, match=r"t10k-labels-idx1-ubyte is missing") as error:
        datasets.load("mnist", tmp_path / "here")
    assert not isinstance(error.value, datasets.DataUnavailable)


@pytest.mark.usefixtures("offline")
def test_data_that_cannot_be_had_say_where_to_put_them():
    for _ in range(2):  # the failed attempt leaves nothing that is taken for the data
        with pytest.raises(datasets.DataUnavailable, match=r"KMNIST/raw.*dataset=digits"):
            datasets.load("kmnist")
