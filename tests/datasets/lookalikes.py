"""Look-alikes of the public repositories: their true layout, column names, encodings and quirks, a few rows each.

Each builder writes one repository below a root and says what a reader must make of it. Image files are empty unless
the reader opens them: readers look at names and headers only.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian


@dataclass(frozen=True)
class LookAlike:
    """Say what a reader must find: image ids of the rows, and how many candidates are out for each reason."""

    rows: tuple[str, ...]
    reasons: dict[str, int]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def chestx_ray14(root: Path) -> LookAlike:
    folder = root / "ChestX-ray14"
    rows = [
        "00000001_000.png,Cardiomegaly,000,00000001,058Y,M,PA,2682,2749,0.143,0.143",
        "00000001_001.png,Cardiomegaly|Emphysema,001,00000001,058Y,M,PA,2894,2729,0.143,0.143",
        "00000005_000.png,No Finding,000,00000005,006M,F,AP,2894,2729,0.143,0.143",
        "00000013_026.png,Mass|Nodule|Ghost,026,00000013,411Y,M,AP,2894,2729,0.143,0.143",
        "00000013_027.png,Hernia,027,00000013,060Y,M,AP,2894,2729,0.143,0.143",
        "../../secret.png,Hernia,027,00000014,060Y,M,AP,2894,2729,0.143,0.143",
    ]
    text = NIH_HEADER + ",\r\n" + "".join(row + ",\r\n" for row in rows)
    write(folder / "labels" / "Data_Entry_2017.csv", text)
    write(folder / "labels" / "test_list.txt.gz", "Image Index\n00000013_026.png\n")
    touch(folder / "images_001" / "images", "00000001_000.png", "00000001_001.png")
    touch(folder / "images_002" / "images", "00000005_000.PNG", "00000013_026.png", "00000099_000.png")
    return LookAlike(
        rows=(
            "chestx-ray14/00000001_000.png",
            "chestx-ray14/00000001_001.png",
            "chestx-ray14/00000005_000.png",
            "chestx-ray14/00000013_026.png",
        ),
        reasons={"missing file": 1, "path leaves root": 1},
    )


GITHUB_HEADER = "patientid,offset,sex,age,finding,view,modality,date,folder,filename,doi,clinical_notes,"


def github_covid(root: Path) -> LookAlike:
    folder = root / "covid-chestxray-dataset"
    rows = [
        '2,0,M,65,COVID-19,PA,X-ray,"January 22, 2020",images,a.jpeg,,"said ""wet market""",',
        "3,0,F,70,Pneumonia/Viral/COVID-19,AP Erect,X-ray,03/16/20,images,b.jpg,,,",
        '4,0,,,"COVID-19, ARDS",AP Supine,X-ray,2020,images,c.jpg,,,',
        "5,0,,,COVID-19,L,X-ray,2020,images,d.jpg,,,",
        "6,0,,,COVID-19,?,X-ray,2020,images,e.jpg,,,",
        "7,0,,,COVID-19,Axial,CT,2020,images,f.jpg,,,",
        "8,0,,,todo,PA,X-ray,2020,images,g.jpg,,,",
        "9,0,,,SARS,PA,X-ray,2003,images,h.jpg,,,",
        "10,0,,,COVID-19,AP,X-ray,2020,images,gone.jpg,,,",
        "11,0,,,COVID-19,PA,X-ray,2020,images,a.jpeg,,,note under no header",
        ",0,,,COVID-19,PA,X-ray,2020,images,i.jpg,,,",
    ]
    write(folder / "metadata.csv", GITHUB_HEADER + "\n" + "\n".join(rows) + "\n", encoding="utf-8-sig")
    touch(folder / "images", *(f"{name}.jpg" for name in "bcdefghi"), "a.jpeg")
    touch(folder / "annotations" / "lungVAE-masks", "a_mask.png")
    return LookAlike(
        rows=("github-covid/a.jpeg", "github-covid/b.jpg"),
        reasons={
            "no patient": 1,
            "not a radiograph": 1,
            "not COVID-19": 2,
            "supine view": 1,
            "lateral view": 1,
            "unknown view": 1,
            "missing file": 1,
            "duplicate row": 1,
        },
    )


PADCHEST_HEADER = (
    ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,Projection,"
    "Modality_DICOM,Manufacturer_DICOM,PhotometricInterpretation_DICOM,Labels"
)


def padchest(root: Path) -> LookAlike:
    folder = root / "PadChest"
    machine = "CR,PhilipsMedicalSystems,MONOCHROME1"
    rows = [
        f"0,a.png,0,20140915,1,P1,1956.0,M,POSTEROANTERIOR,PA,{machine},\"['pleural effusion', 'pneumonia']\"",
        f"1,b.png,3,20140920,2,P1,1956.0,M,ANTEROPOSTERIOR,AP,{machine},\"['cardiomegaly', '']\"",
        f"2,c.png,3,20150101,3,P1,1956.0,M,,PA,{machine},\"['unchanged', 'abscess']\"",
        f"3,d.png,3,20150101,4,P2,,O,,PA,{machine},['unchanged']",
        f"4,e.png,3,20150101,5,P3,1960,F,,PA,{machine},",
        f"5,f.png,3,20150101,6,P4,1960,F,,L,{machine},['normal']",
        f"6,g.png,3,20150101,7,P5,1960,F,,AP_horizontal,{machine},['normal']",
        f"7,h.png,3,20150101,8,P6,1960,F,,EXCLUDE,{machine},['exclude']",
        f"8,i.png,3,20150101,9,P7,1960,F,,PA,{machine},\"['new word', 'minor fissure thickening']\"",
        f"9,gone.png,3,20150101,9,P7,1960,F,,PA,{machine},['normal']",
    ]
    table = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    write(folder / table, PADCHEST_HEADER + "\n" + "\n".join(rows) + "\n")
    touch(folder, "0/a.png", *(f"images/{name}.png" for name in "bcdefghi"))
    return LookAlike(
        rows=tuple(f"padchest/{name}.png" for name in "abcdei"),
        reasons={"lateral view": 1, "supine view": 1, "unknown view": 1, "missing file": 1},
    )


def sidecar(path: Path, **tags: object) -> None:
    """Write a DICOM JSON header, tag by tag; ``None`` leaves a tag out."""
    values: dict[str, object] = {
        "00080060": "DX",
        "00080070": "GE",
        "00100040": "F",
        "00280004": "MONOCHROME2",
        "00281050": 2000,
        "00281051": 4000,
        "00080020": 20200310,
        "00080030": 93012.5,
        "00101010": "070Y",
        "0008103E": "TORAX AP",
    }
    values |= {tag.removeprefix("t"): value for tag, value in tags.items()}
    header = {tag: {"vr": "XX", "Value": [value]} for tag, value in values.items() if value is not None}
    write(path, json.dumps(header))


def bimcv(folder: Path, labels: str, rows: dict[str, str]) -> None:
    """Write a BIMCV collection: one subject with three sessions, one with broken headers, one absent."""
    participants = "participant\tmodality_dicom\tbody_parts\n"
    participants += "".join(f"sub-S0{number}\t\"['CR', 'DX']\"\t['chest']\n" for number in (1, 2, 3))
    write(folder / "participants.tsv", participants + "sub-S04\t['CT']\t['chest']\n")
    lines = [f"{session}\tsub-S01\t{words}" for session, words in rows.items()]
    write(folder / "derivatives" / "labels" / labels, "ReportID\tPatientID\tLabels\n" + "\n".join(lines) + "\n")
    first, second, third = (folder / "sub-S01" / f"ses-E0{number}" / "mod-rx" for number in (1, 2, 3))
    sidecar(first / "sub-S01_ses-E01_run-1_bp-chest_vp-ap_dx.json")
    sidecar(second / "sub-S01_ses-E02_run-1_vp-ap_dx.json", t00080020=20200311, t0008103E="TÃ³rax PA")
    sidecar(second / "sub-S01_ses-E02_run-2_vp-ll_dx.json", t00080020=20200311, t0008103E="TÓRAX LAT")
    no_window: dict[str, object] = {"t00281050": None, "t00281051": None, "t00101010": "006M"}
    code = {"00080104": {"vr": "LO", "Value": ["DIRECTO PA"]}}
    sidecar(third / "a.json", t00080020=20200312, t0008103E=None, t00081032=code, **no_window)
    broken = folder / "sub-S02" / "ses-E04" / "mod-rx"
    write(broken / "b.json", '{"00080060": {"vr"')
    sidecar(broken / "c.json", t0008103E="SOMETHING NEW")
    sidecar(broken / "d.json", t0008103E="AP HORIZONTAL")
    sidecar(broken / "e.json")
    sidecar(broken / "no_pixels.json")
    touch(first, "sub-S01_ses-E01_run-1_bp-chest_vp-ap_dx.png")
    touch(second, "sub-S01_ses-E02_run-1_vp-ap_dx.png", "sub-S01_ses-E02_run-2_vp-ll_dx.png")
    touch(third, "a.png")
    touch(broken, "b.png", "c.png", "d.png", "e.png", "no_header.png")
    touch(folder, "sub-S01/ses-E01/mod-ct/volume.png", "derivatives/EDA/sub-S01/ses-E01/mod-rx/roi.png")


BIMCV_ROWS = (
    "sub-S01/ses-E01/mod-rx/sub-S01_ses-E01_run-1_bp-chest_vp-ap_dx.png",
    "sub-S01/ses-E02/mod-rx/sub-S01_ses-E02_run-1_vp-ap_dx.png",
    "sub-S01/ses-E03/mod-rx/a.png",
    "sub-S02/ses-E04/mod-rx/e.png",
)
BIMCV_REASONS = {
    "lateral view": 1,
    "unknown view": 1,
    "supine view": 1,
    "unreadable header": 2,
    "missing file": 1,
}


def bimcv_positive(root: Path) -> LookAlike:
    rows = {
        "ses-E01": "\"['COVID 19'\t'pneumonia']\"",
        "ses-E02": "['unchanged']",
        "ses-E03": "['viral pneumonia', 'unheard of']",
    }
    bimcv(root / "bimcv+", "labels_covid19_posi.tsv", rows)
    return LookAlike(rows=tuple(f"bimcv+/{name}" for name in BIMCV_ROWS), reasons=BIMCV_REASONS)


def bimcv_negative(root: Path) -> LookAlike:
    rows = {"ses-E01": "['normal']", "ses-E02": "['COVID 19 uncertain']", "ses-E03": "[]"}
    bimcv(root / "bimcv-" / "covid19_neg", "labels_SARS-cov-2_nega.tsv", rows)
    write(root / "bimcv-" / "listjoin_ok.tsv", "idx neg pos\n0\tsub-S01\tsub-S77\n1 sub-S02 sub-S78\n")
    return LookAlike(rows=tuple(f"bimcv-/{name}" for name in BIMCV_ROWS), reasons=BIMCV_REASONS)


OBSERVATIONS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,"
    "Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


def chexpert(root: Path) -> LookAlike:
    folder = root / "CheXpert-v1.0-small"
    header = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{OBSERVATIONS}\n"
    study = "CheXpert-v1.0-small/{}/patient{}/study1/view{}.jpg"
    train = [
        study.format("train", "00001", "1_frontal") + ",Female,68,Frontal,AP,1.0,,,,,,,,,,,,,1.0",
        study.format("train", "00002", "1_frontal") + ",Male,87,Frontal,PA,,,-1.0,1.0,,-1.0,0.0,,,,1.0,,,",
        study.format("train", "00002", "2_lateral") + ",Male,87,Lateral,,,,-1.0,1.0,,-1.0,0.0,,,,1.0,,,",
        study.format("train", "00003", "1_frontal") + ",Unknown,0,Frontal,LL,,,,,,,,,,,,,,",
        study.format("train", "00009", "1_frontal") + ",Male,50,Frontal,AP,,,odd,,,,,,,,,,,",
    ]
    valid = [study.format("valid", "64541", "1_frontal") + ",Male,73,Frontal,AP" + ",0.0" * 13 + ",1.0"]
    test = [study.format("test", "64741", "1_frontal") + ",Male,73,Frontal,PA" + ",0.0" * 13 + ",1.0"]
    for part, rows in (("train", train), ("valid", valid), ("test", test)):
        write(folder / f"{part}.csv", header + "\n".join(rows) + "\n")
    touch(folder / "train", *(f"patient0000{number}/study1/view1_frontal.jpg" for number in (1, 2, 3)))
    touch(folder / "train", "patient00002/study1/view2_lateral.jpg")
    touch(folder / "CheXpert-v1.0 batch 1 (validate & csv)", "patient64541/study1/view1_frontal.jpg")
    touch(folder / "test", "patient64741/study1/view1_frontal.jpg")
    ids = ("00001", "00002", "64541", "64741")
    return LookAlike(
        rows=tuple(f"chexpert/patient{number}/study1/view1_frontal.jpg" for number in ids),
        reasons={"lateral view": 1, "unknown view": 1, "missing file": 1},
    )


def mimic_cxr(root: Path) -> LookAlike:
    folder = root / "mimic-cxr-jpg-2.0.0"
    header = "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,StudyDate,StudyTime\n"
    rows = [
        'aa-1,10000032,50414267,"CHEST (PA AND LAT)",PA,3056,21800506,213014.531',
        'aa-2,10000032,50414267,"CHEST (PA AND LAT)",LATERAL,3056,21800506,213014.531',
        "bb-1,10000764,57375967,CHEST (PORTABLE AP),AP,3056,21321015,100000.0",
        "cc-1,10000898,50771383,CHEST,,3056,21880803,100000.0",
        "dd-1,10000935,50578979,CHEST,AP,3056,21870823,100000.0",
        "ee-1,10000980,50985099,CHEST,AP,3056,21890427,100000.0",
    ]
    write(folder / "mimic-cxr-2.0.0-metadata.csv.gz", header + "\n".join(rows) + "\n")
    columns = ",".join(sorted(OBSERVATIONS.split(",")))
    labels = [
        "10000032,50414267,,,,,,,,,1.0,,,,,",
        "10000764,57375967,1.0,-1.0,0.0,,,,,,,1.0,,,,1.0",
    ]
    for labeler in ("chexpert", "negbio"):
        text = f"subject_id,study_id,{columns}\n" + "\n".join(labels) + "\n"
        write(folder / f"mimic-cxr-2.0.0-{labeler}.csv.gz", text)
    split = "dicom_id,study_id,subject_id,split\naa-1,50414267,10000032,train\nbb-1,57375967,10000764,test\n"
    write(folder / "mimic-cxr-2.0.0-split.csv.gz", split)
    patients = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n10000032,F,52,2180,2014 - 2016,\n"
    write(root / "mimic-iv" / "patients.csv", patients)
    touch(folder / "files", "p10/p10000032/s50414267/aa-1.jpg", "p10/p10000032/s50414267/aa-2.jpg")
    touch(folder / "files", "p10/p10000764/s57375967/bb-1.dcm", "p10/p10000898/s50771383/cc-1.jpg")
    touch(folder / "files", "p10/p10000935/s50578979/dd-1.jpg")
    return LookAlike(
        rows=("mimic-cxr/aa-1", "mimic-cxr/bb-1", "mimic-cxr/dd-1"),
        reasons={"lateral view": 1, "unknown view": 1, "missing file": 1},
    )


def dicom(path: Path, **attributes: object) -> None:
    """Write a DICOM header without pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.Modality = "DX"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Archives hold values that the standard does not allow, such as the age "51".
    with disable_value_validation():
        for name, value in attributes.items():
            setattr(dataset, name, value)
        dataset.save_as(path, enforce_file_format=True)


def brixia(root: Path) -> LookAlike:
    folder = root / "Brixia"
    header = (
        "Filename;StudyId;Subject;StudyDate;Sex;AgeAtStudyDateFiveYear;Manufacturer;Modality;BrixiaScore;"
        "BrixiaScoreGlobal;ConsensusTestset"
    )
    rows = [
        "1.dcm;11;7;43900;M;13;CARESTREAM;CR;012210;6;0",
        "2.dcm;12;7;43902;M;13;CARESTREAM;CR;000000;0;0",
        "3.dcm;13;8;43902;F;11;SIEMENS;DX;333333;18;1",
        "4.dcm;14;9;43902;F;11;SIEMENS;DX;333333;;1",
        "5.dcm;14;9;43902;F;11;SIEMENS;DX;333333;18;1",
        "6.dcm;14;9;43902;F;11;SIEMENS;DX;333333;18;1",
    ]
    write(folder / "metadata_global_v2.csv", header + "\r\n" + "\r\n".join(rows) + "\r\n", encoding="utf-8-sig")
    dicom(folder / "dicom_clean" / "1.dcm", ViewPosition="AP", PatientAge="067Y")
    for number in (2, 3, 4):
        dicom(folder / "dicom_clean" / f"{number}.dcm")
    (folder / "dicom_clean" / "6.dcm").write_bytes(b"not DICOM")
    return LookAlike(
        rows=("brixia/1.dcm", "brixia/3.dcm"),
        reasons={"score 0": 1, "no score": 1, "missing file": 1, "unreadable header": 1},
    )


def montgomery(root: Path) -> LookAlike:
    folder = root / "MontgomerySet"
    for name, text in {
        "MCUCXR_0001_0": "Patient's Sex: F\r\nPatient's Age: 027Y\r\nnormal\r\n",
        "MCUCXR_0104_1": "Patient's Sex: M\nPatient's Age: 052Y\nleft upper infiltrate",
        "MCUCXR_0105_0": "",
    }.items():
        write(folder / "ClinicalReadings" / f"{name}.txt", text)
    touch(folder / "CXR_png", "MCUCXR_0001_0.png", "MCUCXR_0104_1.png", "MCUCXR_0200.png")
    touch(folder / "ManualMask" / "leftMask", "MCUCXR_0001_0.png")
    return LookAlike(
        rows=("montgomery/MCUCXR_0001_0.png", "montgomery/MCUCXR_0104_1.png"),
        reasons={"missing file": 1, "name without a reading": 1},
    )


def shenzhen(root: Path) -> LookAlike:
    folder = root / "ChinaSet_AllFiles"
    for name, text in {
        "CHNCXR_0001_0": "male 45yrs\nnormal",
        "CHNCXR_0327_1": "Female, 3 months\nSTB",
        "CHNCXR_0328_1": "\xff\xfe",
    }.items():
        write(folder / "ClinicalReadings" / f"{name}.txt", text, encoding="latin-1")
        touch(folder / "CXR_png", f"{name}.png")
    return LookAlike(
        rows=tuple(f"shenzhen/CHNCXR_{name}.png" for name in ("0001_0", "0327_1", "0328_1")),
        reasons={},
    )


def rsna(root: Path) -> LookAlike:
    folder = root / "rsna-pneumonia-detection-challenge"
    classes = {"a": "Lung Opacity", "b": "Normal", "c": "No Lung Opacity / Not Normal", "d": "Normal", "e": "Normal"}
    lines = [f"{name},{word}" for name, word in classes.items()]
    write(folder / "stage_2_detailed_class_info.csv", "\n".join(["patientId,class", lines[0], *lines]) + "\n")
    for name, view in (("a", "AP"), ("b", "PA"), ("c", "PA"), ("d", "LL")):
        header = {"ViewPosition": view, "PatientSex": "F", "PatientAge": "51", "PatientID": name}
        dicom(folder / "stage_2_train_images" / f"{name}.dcm", **header)
    dicom(folder / "stage_2_test_images" / "z.dcm")
    entries = [{"subset_img_id": name, "img_id": "00013774_026.png"} for name in "ab"]
    write(folder / "pneumonia-challenge-dataset-mappings_2018.json", json.dumps(entries))
    return LookAlike(
        rows=("rsna/a", "rsna/b", "rsna/c"),
        reasons={"unknown view": 1, "missing file": 1},
    )


def any_folder(root: Path) -> LookAlike:
    dicom(root / "DICOM" / "A" / "im1.dcm", ViewPosition="PA", PatientID="P1", PatientAge="061Y", PatientSex="F")
    dicom(root / "DICOM" / "A" / "im2.dcm", ViewPosition="LL", PatientID="P1")
    (root / "DICOM" / "A" / "broken.dcm").write_bytes(b"DICM")
    touch(root, "png/a.png", "png/b.JPEG", "png/notes.txt", "DICOMDIR")
    return LookAlike(
        rows=("folder/DICOM/A/im1.dcm", "folder/png/a.png", "folder/png/b.JPEG"),
        reasons={"lateral view": 1, "unreadable header": 1},
    )


BUILDERS: dict[str, Callable[[Path], LookAlike]] = {
    "chestx-ray14": chestx_ray14,
    "github-covid": github_covid,
    "padchest": padchest,
    "bimcv+": bimcv_positive,
    "bimcv-": bimcv_negative,
    "mimic-cxr": mimic_cxr,
    "chexpert": chexpert,
    "brixia": brixia,
    "montgomery": montgomery,
    "shenzhen": shenzhen,
    "rsna": rsna,
    "folder": any_folder,
}
