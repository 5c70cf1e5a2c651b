"""How the repositories' own words become labels, as plain tables.

ChestX-ray14's 14 names plus COVID-19 are the common vocabulary. A word that maps to nothing is listed too, so that a
word nobody has seen before can be told from it and reported.
"""

from collections.abc import Mapping

from cxrshort.columns import COVID

_PNEUMONIA: Mapping[str, float] = {"Pneumonia": 1.0, COVID: 0.0}
_COVID: Mapping[str, float] = {"Pneumonia": 0.0, COVID: 1.0}
_NEITHER: Mapping[str, float] = {"Pneumonia": 0.0, COVID: 0.0}

GITHUB_COVID_FINDINGS: Mapping[str, Mapping[str, float]] = {
    "COVID-19": _COVID,
    "COVID-19, ARDS": _COVID,
    "ARDS": _PNEUMONIA,
    "Bacterial": _PNEUMONIA,
    "Chlamydophila": _PNEUMONIA,
    "E.Coli": _PNEUMONIA,
    "Influenza": _PNEUMONIA,
    "Klebsiella": _PNEUMONIA,
    "Legionella": _PNEUMONIA,
    "Lipoid": _PNEUMONIA,
    "Mycoplasma Bacterial Pneumonia": _PNEUMONIA,
    "Pneumocystis": _PNEUMONIA,
    "Pneumonia": _PNEUMONIA,
    "SARS": _PNEUMONIA,
    "Streptococcus": _PNEUMONIA,
    "Varicella": _PNEUMONIA,
    "No Finding": _NEITHER,
    "H1N1": _NEITHER,
    "Herpes pneumonia": _NEITHER,
    "Invasive Aspergillosis": _NEITHER,
    "MERS-CoV": _NEITHER,
    "Tuberculosis": _NEITHER,
}
"""Findings of GitHub-COVID (DeGrave et al. 2021, datasets/githubcovid.py): Pneumonia and COVID-19 exclude each other.

Not in the table, and so without labels: ``todo``, ``Unknown`` and words of later revisions.
"""


def github_covid_labels(finding: str) -> Mapping[str, float]:
    """Return the labels of a finding in the old (``SARS``) or new vocabulary (``Pneumonia/Viral/SARS``).

    The leaf decides; where the table lacks it, the nearest word above it does (``Pneumonia/Aspiration`` is Pneumonia).

    Example:
        >>> github_covid_labels("Pneumonia/Viral/COVID-19")
        {'Pneumonia': 0.0, 'COVID-19': 1.0}
    """
    for word in reversed(finding.split("/")):
        if word.strip() in GITHUB_COVID_FINDINGS:
            return GITHUB_COVID_FINDINGS[word.strip()]
    return {}


PADCHEST_LABELS: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": (
        "atelectasis",
        "atelectasis basal",
        "laminar atelectasis",
        "lobar atelectasis",
        "round atelectasis",
        "segmental atelectasis",
        "total atelectasis",
    ),
    "Cardiomegaly": ("cardiomegaly", "mediastinal enlargement"),
    "Consolidation": ("consolidation",),
    "Edema": ("kerley lines", "pulmonary edema"),
    "Effusion": (
        "pleural effusion",
        "loculated pleural effusion",
        "loculated fissural effusion",
        "pericardial effusion",
    ),
    "Emphysema": ("emphysema", "subcutaneous emphysema"),
    "Fibrosis": ("asbestosis signs", "fibrotic band", "post radiotherapy changes", "pulmonary fibrosis"),
    "Infiltration": (
        "infiltrates",
        "ground glass pattern",
        "interstitial pattern",
        "reticular interstitial pattern",
        "reticulonodular interstitial pattern",
        "miliary opacities",
    ),
    "Mass": ("mass", "mediastinal mass", "pleural mass", "pulmonary mass", "soft tissue mass"),
    "Nodule": (
        "nodule",
        "multiple nodules",
        "granuloma",
        "calcified granuloma",
        "calcified adenopathy",
        "calcified mediastinal adenopathy",
    ),
    "Mass|Nodule": (
        "abscess",
        "blastic bone lesion",
        "bone metastasis",
        "calcified densities",
        "calcified fibroadenoma",
        "cavitation",
        "cyst",
        "lepidic adenocarcinoma",
        "lung metastasis",
    ),
    "Pleural_Thickening": (
        "pleural thickening",
        "apical pleural thickening",
        "calcified pleural plaques",
        "calcified pleural thickening",
        "fissure thickening",
        "major fissure thickening",
        "minor fissure thickening",
        "pleural plaques",
    ),
    "Pneumonia": ("pneumonia", "atypical pneumonia"),
    "Pneumothorax": ("pneumothorax", "hydropneumothorax"),
}
"""Words of PadChest reports by the labels they set (DeGrave et al. 2021, datasets/padchestmap.py).

The published table loses ``minor fissure thickening`` to a spelling mistake; here it sets Pleural_Thickening, as meant.
"""

PADCHEST_WITHOUT_LABEL = frozenset(
    word.strip()
    for word in """
    abnormal foreign body; adenopathy; air bronchogram; air fluid level; air trapping; alveolar pattern;
    aortic aneurysm; aortic atheromatosis; aortic button enlargement; aortic elongation; aortic endoprosthesis;
    artificial aortic heart valve; artificial heart valve; artificial mitral heart valve;
    ascendent aortic elongation; axial hyperostosis; azygoesophageal recess shift; azygos lobe; bone cement;
    breast mass; bronchiectasis; bronchovascular markings; bullas; callus rib fracture; catheter;
    central vascular redistribution; central venous catheter; central venous catheter via jugular vein;
    central venous catheter via subclavian vein; central venous catheter via umbilical vein; cervical rib;
    chest drain tube; chilaiditi sign; chronic changes; clavicle fracture; copd signs;
    costochondral junction hypertrophy; costophrenic angle blunting; dai; descendent aortic elongation;
    dextrocardia; diaphragmatic eventration; double j stent; dual chamber device; electrical device; empyema;
    end on vessel; endoprosthesis; endotracheal tube; esophagic dilatation; exclude; external foreign body;
    flattened diaphragm; fracture; gastrostomy tube; goiter; gynecomastia; heart insufficiency;
    heart valve calcified; hemidiaphragm elevation; hiatal hernia; hilar congestion; hilar enlargement;
    humeral fracture; humeral prosthesis; hyperinflated lung; hypoexpansion; hypoexpansion basal;
    increased density; kyphosis; lipomatosis; lung vascular paucity; lymphangitis carcinomatosa;
    lytic bone lesion; mammary prosthesis; mastectomy; mediastinal shift; mediastinic lipomatosis; metal;
    nephrostomy tube; nipple shadow; non axial articular degenerative changes; normal; nsg tube; obesity;
    osteopenia; osteoporosis; osteosynthesis material; pacemaker; pectum carinatum; pectum excavatum;
    pneumomediastinum; pneumoperitoneo; prosthesis; pseudonodule; pulmonary artery enlargement;
    pulmonary artery hypertension; pulmonary hypertension; pulmonary venous hypertension;
    reservoir central venous catheter; respiratory distress; rib fracture; right sided aortic arch;
    sclerotic bone lesion; scoliosis; single chamber device; sternoclavicular junction hypertrophy; sternotomy;
    subacromial space narrowing; suboptimal study; superior mediastinal enlargement; supra aortic elongation;
    surgery; surgery breast; surgery heart; surgery humeral; surgery lung; surgery neck; suture material;
    thoracic cage deformation; tracheal shift; tracheostomy tube; tuberculosis; tuberculosis sequelae; unchanged;
    vascular hilar enlargement; vascular redistribution; ventriculoperitoneal drain tube;
    vertebral anterior compression; vertebral compression; vertebral degenerative changes; vertebral fracture;
    volume loss
    """.split(";")
)
"""Words of PadChest reports that set none of the labels; a word in neither table is unknown."""

CHEXPERT_LABELS: Mapping[str, str] = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Consolidation": "Consolidation",
    "Edema": "Edema",
    "Pleural Effusion": "Effusion",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
    "Enlarged Cardiomediastinum": "Enlarged Cardiomediastinum",
    "Fracture": "Fracture",
    "Lung Lesion": "Lung Lesion",
    "Lung Opacity": "Lung Opacity",
    "No Finding": "No Finding",
    "Pleural Other": "Pleural Other",
    "Support Devices": "Support Devices",
}
"""The 14 observations of CheXpert and MIMIC-CXR by the label they become; the seven new ones are labels of their own.

A lung lesion may be a mass or a nodule, so those two stay empty, as do the other labels the observations lack.
"""

UNCERTAIN: Mapping[str, float] = {"empty": float("nan"), "negative": 0.0, "positive": 1.0}
"""Value of a label that a report leaves open (-1), by ``ReadOptions.uncertain``."""
