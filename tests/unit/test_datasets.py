"""Data sets: their contents, their splits, and files that are refused."""

import dataclasses
import gzip
import math
import shutil
import struct
from pathlib import Path

import pytest
import torch

from lenet import ConfigError, TrainConfig, dataset_files, datasets
from lenet.datasets import Dataset
from lenet.samples import Samples


def test_digits_are_complete_and_scaled(digits):
    assert digits.train.inputs.shape == (1500, 1, 28, 28)
    assert digits.test.inputs.shape == (297, 1, 28, 28)
    assert digits.input_shape == (1, 28, 28)
    everything = torch.cat([digits.train.inputs, digits.test.inputs])
    assert everything.min() == 0
    assert 0.9 < everything.max() <= 1
    assert digits.train.targets.bincount().min() > 100


def test_validation_is_the_same_for_every_subset_and_never_trained_on(digits):
    train, validation = digits.split(TrainConfig())
    subset, validation_of_subset = digits.split(TrainConfig(train_samples=100, seed=3))
    assert len(validation) == 125
    assert len(train) == 1375
    assert len(subset) == 100
    assert torch.equal(validation.inputs, validation_of_subset.inputs)
    images = {image.numpy().tobytes() for image in validation.inputs}
    assert not any(image.numpy().tobytes() in images for image in train.inputs)


def test_a_split_shares_memory_with_the_data_set(digits):
    train, validation = digits.split(TrainConfig())
    storage = digits.train.inputs.untyped_storage().data_ptr()
    assert train.inputs.untyped_storage().data_ptr() == storage
    assert validation.inputs.untyped_storage().data_ptr() == storage


def test_an_empty_split_is_refused(digits):
    with pytest.raises(ConfigError, match="both need at least one"):
        digits.split(TrainConfig(validation_fraction=1e-9))


def test_mnist_is_the_published_data_set(mnist_folder):
    mnist = datasets.load("mnist", mnist_folder.parents[1])
    assert mnist.train.inputs.shape == (60_000, 1, 28, 28)
    assert mnist.test.inputs.shape == (10_000, 1, 28, 28)
    # LeCun's page: 980 zeros and 1135 ones among the test digits.
    assert mnist.test.targets.bincount()[:2].tolist() == [980, 1135]
    # The well-known mean and standard deviation of normalized MNIST.
    assert mnist.train.inputs.mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert mnist.train.inputs.std().item() == pytest.approx(0.3081, abs=1e-4)
    assert str(mnist_folder) in mnist.source


def copy_of(mnist_folder, root):
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in mnist_folder.iterdir():
        shutil.copyfile(file, raw / file.name)
    return raw


def test_an_altered_file_is_refused(mnist_folder, tmp_path):
    file = copy_of(mnist_folder, tmp_path) / "train-labels-idx1-ubyte"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"train-labels.* is not the published file"):
        datasets.load("mnist", tmp_path)


def test_a_truncated_file_is_refused(mnist_folder, tmp_path):
    file = copy_of(mnist_folder, tmp_path) / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ConfigError, match=r"t10k-images.* has 5,000 bytes"):
        datasets.load("mnist", tmp_path)


@pytest.mark.parametrize("name", ["fashion-mnist", "kmnist"])
def test_mnist_does_not_pass_as_another_data_set(name, mnist_folder, tmp_path):
    folder = {"fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}[name]
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "raw").symlink_to(mnist_folder)
    with pytest.raises(ConfigError, match=rf"train-images.* is a file of MNIST, not of {name}"):
        datasets.load(name, tmp_path)


def blank_files(root, *, label=0, magic=2049):
    """Write files of the size of Fashion-MNIST's, all black, with one other label."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for split, images in (("train", 60_000), ("t10k", 10_000)):
        with (raw / f"{split}-images-idx3-ubyte").open("wb") as file:
            file.write(struct.pack(">4I", 2051, images, 28, 28))
            file.truncate(16 + images * 28 * 28)
        labels = bytes([label, *bytes(images - 1)])
        header = struct.pack(">2I", magic, images)
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(header + labels)
    return raw


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 10}, r"train-labels-idx1-ubyte has the label 10, but labels are 0 to 9"),
        ({"magic": 2050}, r"train-labels-idx1-ubyte begins with \(2050, 60000\)"),
    ],
)
def test_a_file_with_wrong_content_is_named(changes, message, tmp_path):
    blank_files(tmp_path, **changes)
    with pytest.raises(ConfigError, match=message):
        datasets.load("fashion-mnist", tmp_path)


def test_another_archive_is_refused(tmp_path):
    raw = blank_files(tmp_path)
    (raw / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress((raw / "train-labels-idx1-ubyte").read_bytes())
    )
    with pytest.raises(ConfigError, match=r"ubyte\.gz is not the published archive"):
        datasets.load("fashion-mnist", tmp_path)


@pytest.mark.parametrize("below", ["FashionMNIST", "FashionMNIST/raw"])
def test_the_folder_of_one_data_set_is_recognized(below, tmp_path, monkeypatch):
    (tmp_path / "FashionMNIST" / "raw").mkdir(parents=True)
    assert dataset_files.search_path(tmp_path) == [tmp_path]
    assert dataset_files.search_path(tmp_path / below) == [tmp_path]
    monkeypatch.setenv("STUDY_DATA_DIR", str(tmp_path / below))
    assert dataset_files.search_path(None)[0] == tmp_path
    monkeypatch.chdir(tmp_path / below)
    assert dataset_files.search_path(Path()) == [tmp_path]


def test_a_given_folder_is_the_only_one(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_DATA_DIR", str(tmp_path))
    assert dataset_files.search_path(tmp_path / "given") == [tmp_path / "given"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": torch.tensor([0, 3])}, "the label 3, but with 3 classes labels are 0 to 2"),
        ({"targets": torch.tensor([-1, 0])}, "the label -1"),
        ({"targets": torch.tensor([0])}, r"2 inputs and targets of shape \(1,\)"),
        ({"targets": torch.tensor([0, 1]).byte()}, "targets of type torch.uint8"),
        ({"targets": torch.tensor([0.0, math.inf])}, "targets that are not finite"),
        ({"inputs": torch.full((2, 1, 4, 4), math.nan)}, "inputs that are not finite"),
        ({"inputs": torch.zeros(2, 4, 4)}, r"shape \(4, 4\) instead of \(1, 4, 4\)"),
        ({"inputs": torch.zeros(2, 1, 4, 4).double()}, "inputs of type torch.float64"),
        ({"inputs": torch.zeros(2, 1, 5, 5)}, r"\(1, 5, 5\) instead of \(1, 4, 4\)"),
        ({"inputs": torch.zeros(0, 1, 4, 4), "targets": torch.zeros(0).long()}, "at least one"),
    ],
)
def test_a_data_set_that_cannot_be_trained_on_is_refused(changes, message):
    good = Samples(torch.zeros(2, 1, 4, 4), torch.tensor([0, 2]))
    bad = dataclasses.replace(good, **changes)
    assert len(Dataset("mine", "here", good, good, classes=3).test) == 2
    with pytest.raises(ConfigError, match=rf"mine \(from here\).* test samples have.*{message}"):
        Dataset("mine", "here", good, bad, classes=3)


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
    (copy_of(mnist_folder, tmp_path / "here") / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(ConfigError, match=r"t10k-labels-idx1-ubyte is missing") as error:
        datasets.load("mnist", tmp_path / "here")
    assert not isinstance(error.value, dataset_files.DataUnavailable)


@pytest.mark.usefixtures("offline")
def test_the_error_for_unavailable_data_says_where_to_put_them():
    for _ in range(2):  # the first failure must not leave files behind that pass for the data
        with pytest.raises(dataset_files.DataUnavailable, match=r"KMNIST/raw.*dataset=digits"):
            datasets.load("kmnist")


@pytest.mark.parametrize("name", ["digits", "line"])
def test_what_is_embedded_is_known_without_reading_it(name):
    known, read = dataset_files.known(name, None), datasets.load(name)
    assert (known.name, known.source, known.sizes) == (read.name, read.source, read.sizes)
    assert len(known.load().train) == read.sizes[0]


def test_files_are_known_once_they_are_verified_and_unchanged(mnist_folder, tmp_path):
    shutil.copytree(mnist_folder, tmp_path / "MNIST" / "raw")
    assert dataset_files.known("mnist", tmp_path) is None
    read = datasets.load("mnist", tmp_path)
    known = dataset_files.known("mnist", tmp_path)
    assert (known.source, known.sizes) == (read.source, read.sizes)
    labels = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    labels.touch()
    assert dataset_files.known("mnist", tmp_path) is None
    assert dataset_files.known("examples.diabetes:load", tmp_path) is None
