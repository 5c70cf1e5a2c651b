"""Small copies of the sources of the benchmarks, made on the spot in the true layouts."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import load_digits

from cxrshort.datasets.benchmarks import coco_on_places, dogs_with_ties, waterbirds

GENERATOR = np.random.default_rng(7)
BIRDS = ("001.Black_footed_Albatross", "014.Indigo_Bunting")


def idx(values: np.ndarray) -> bytes:
    """Return bytes of the IDX format."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def real_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the 1,797 real digits of scikit-learn, enlarged to 28 x 28 and 0 to 255."""
    levels, labels = load_digits(return_X_y=True)
    small = (levels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    large = [np.asarray(Image.fromarray(digit).resize((28, 28), Image.Resampling.BICUBIC)) for digit in small]
    return np.stack(large), labels.astype(np.uint8)


def make_mnist(
    root: Path, *, train: int = 600, test: int = 200, folder: str = "MNIST/raw", packed: bool = False
) -> Path:
    images, labels = real_digits()
    home = root / folder
    home.mkdir(parents=True)
    for name, part in (("train", slice(0, train)), ("t10k", slice(train, train + test))):
        for kind, values in (("images-idx3", images[part]), ("labels-idx1", labels[part])):
            path = home / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    return root


def photograph(path: Path, *, size: tuple[int, int] = (60, 45), colour: tuple[int, int, int] | None = None) -> None:
    """Write noise around one colour, so that pasted parts can be told apart by their mean."""
    path.parent.mkdir(parents=True, exist_ok=True)
    middle = np.array(GENERATOR.integers(40, 216, 3) if colour is None else colour)
    noise = GENERATOR.integers(-20, 21, (size[1], size[0], 3))
    Image.fromarray(np.clip(middle + noise, 0, 255).astype(np.uint8)).save(path)


def make_places(root: Path, categories: dict[str, int], *, easy: bool = False) -> Path:
    """Make scenes in the layout of data_large, or in the flat one of places365_standard."""
    for category, count in categories.items():
        flat = category.replace("/", "-")
        folder = f"places365_standard/train/{flat}" if easy else f"places365/data_large/{category[0]}/{category}"
        for number in range(count):
            photograph(root / folder / f"{number:08d}.jpg", colour=(10, 20, 200))
    return root


def make_waterbirds(root: Path, *, train: int = 60, test: int = 12, scenes: int = 40) -> Path:
    """Make CUB with ``train`` and ``test`` birds of a seabird and of a bunting."""
    home = root / "CUB_200_2011"
    names = [f"{species}/{species[4:]}_{number:04d}" for species in BIRDS for number in range(train + test)]
    for name in names:
        photograph(home / "images" / f"{name}.jpg", colour=(220, 30, 30))
        outline = np.zeros((45, 60), np.uint8)
        outline[10:30, 20:50] = 255
        path = home / "segmentations" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(outline).save(path)
    lines = list(enumerate(names, start=1))
    (home / "images.txt").write_text("".join(f"{number} {name}.jpg\n" for number, name in lines))
    splits = "".join(f"{number} {int((number - 1) % (train + test) < train)}\n" for number, _ in lines)
    (home / "train_test_split.txt").write_text(splits)
    return make_places(root, {scene: scenes for pool in waterbirds.SCENES.values() for scene in pool})


def make_coco(root: Path, *, per_class: int = 10, scenes: int = 30, folder: str = "") -> Path:
    """Make COCO with ``per_class`` good images of every class, and one image of each kind that cannot be used."""
    home, images, annotations = root / folder, [], []
    names = [*coco_on_places.LABELS, "person"]
    for category, label in enumerate(names, start=1):
        for number in range(per_class):
            identity = category * 1000 + number
            images.append({"id": identity, "file_name": f"{identity:012d}.jpg", "height": 160, "width": 200})
            box = [20.0, 10.0, 160.0, 10.0, 160.0, 110.0, 20.0, 110.0]
            annotations.append(annotation(identity, category, segmentation=[box], area=14_000.0))
            annotations.append(annotation(identity, category, segmentation=[[0.0, 0.0, 9.0, 0.0, 9.0, 9.0]], area=40.0))
            if label != "person":
                photograph(home / "train2017" / f"{identity:012d}.jpg", size=(200, 160), colour=(220, 30, 30))
    for identity in (1, 2, 3):
        images.append({"id": identity, "file_name": f"{identity:012d}.jpg", "height": 160, "width": 200})
    small = [[0.0, 0.0, 50.0, 0.0, 50.0, 50.0]]
    annotations.append(annotation(1, 1, segmentation=small, area=1_250.0))
    annotations.append(annotation(2, 1, segmentation={"counts": [1], "size": [160, 200]}, area=12_000.0))
    annotations.append(annotation(3, 1, segmentation=[box], area=14_000.0))
    table = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
    (home / "annotations").mkdir(parents=True)
    (home / "annotations" / "instances_train2017.json").write_text(json.dumps(table))
    return make_places(root, dict.fromkeys((scene for pool in coco_on_places.KINDS.values() for scene in pool), scenes))


def annotation(image: int, category: int, *, segmentation: object, area: float, iscrowd: int = 0) -> dict[str, object]:
    return {
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "area": area,
        "iscrowd": iscrowd,
        "id": image * 10 + category,
    }


def make_dogs(root: Path, *, train: int = 20, test: int = 6, marks: bool = True) -> Path:
    """Make Stanford Dogs with the two breeds and one more, and neck marks."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    lines = ["image,x,y,width,height"]
    for breed in (*dogs_with_ties.BREEDS.values(), "n02085620-Chihuahua"):
        for number in range(train + test):
            name = f"{breed}/{breed.partition('-')[0]}_{number}"
            lists["train" if number < train else "test"].append(f"{name}.jpg")
            photograph(root / "Images" / f"{name}.jpg", size=(120, 90), colour=(140, 140, 130))
            box = "<xmin>30</xmin>\n<ymin>15</ymin>\n<xmax>90</xmax>\n<ymax>75</ymax>"
            path = root / "Annotation" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"<annotation><object><bndbox>\n{box}\n</bndbox></object></annotation>")
            lines.append(f"{name.rpartition('/')[2]}.jpg,45,30,30,12")
    (root / "lists").mkdir()
    for part, files in lists.items():
        cells = np.empty((len(files), 1), object)
        cells[:, 0] = files
        savemat(root / "lists" / f"{part}_list.mat", {"file_list": cells})
    if marks:
        (root / "marks.csv").write_text("\n".join(lines) + "\n")
    return root


MAKERS = {
    "coloured-mnist": make_mnist,
    "waterbirds": make_waterbirds,
    "coco-on-places": make_coco,
    "dogs-with-ties": make_dogs,
}
