# Completions of cxrshort for bash. Generated from the command tree by cxrshort.cli.pages; do not edit.

_cxrshort_datasets() {
    local each
    for each in "${CXRSHORT_DATASETS:-datasets}"/*/manifest.csv; do
        [[ -e $each ]] || continue
        each=${each%/manifest.csv}
        printf '%s\n' "${each##*/}"
    done
}

_cxrshort_reply() {
    local IFS=$' \n'
    COMPREPLY=($(compgen -W "$1" -- "$word"))
    # A word that another follows, such as momentum=, is completed without a space.
    [[ ${COMPREPLY[0]} != *[=:] ]] || compopt -o nospace
}

_cxrshort() {
    local word=$2 before=$3 verb='' options='' verbs='' each
    COMPREPLY=()
    for ((each = 1; each < COMP_CWORD; each++)); do
        [[ ${COMP_WORDS[each]} == -* ]] && continue
        verb=${verb:+$verb }${COMP_WORDS[each]}
        case $verb in stats) ;; *) break ;; esac
    done
    case $verb:$before in
        build-dataset:--dataset) compopt +o default; _cxrshort_reply "I II III roentmod-nih roentmod-mimic roentmod-chexpert roentmod-padchest tea-xray chestx-ray14 github-covid padchest bimcv+ bimcv- mimic-cxr chexpert brixia montgomery shenzhen rsna folder coloured-mnist waterbirds coco-on-places dogs-with-ties phantom-I phantom-II phantom-III phantom-external phantom-deceiving help"; return ;;
        build-dataset:--root|build-dataset:--out|build-dataset:--corrections|build-dataset:--masks|build-dataset:--same-patients|build-dataset:--table|train:--out|train:--segmenter|train:--mask-file|evaluate:--out|explain:--background|explain:--segmenter|explain:--regions|explain:--out|swap-test:--regions|swap-test:--segmenter|swap-test:--out|stats\ auc:--out|stats\ gap:--out|stats\ wilcoxon:--out|stats\ empirical-p:--out) return ;;
        build-dataset:--name|build-dataset:--where|build-dataset:--sample|build-dataset:--per|build-dataset:--replicates|build-dataset:--seed|build-dataset:--size|build-dataset:--mask-pattern|build-dataset:--column|build-dataset:--images|build-dataset:--confounding|build-dataset:--bias|build-dataset:--comorbidity|build-dataset:--shard|build-dataset:--scheduler|build-dataset:--jobs|train:--seed|train:--name|train:--epochs|train:--batch-size|train:--learning-rate|train:--lr|train:--weight-decay|train:--patience|train:--accumulate|train:--replicate|train:--replicates|train:--grid|train:--members|train:--labels|train:--rest-class|train:--select-label|train:--group|train:--threads|evaluate:--label|evaluate:--threads|explain:--label|explain:--images|explain:--references|explain:--batch-size|explain:--clusters|explain:--seed|explain:--masks|explain:--expected|explain:--threads|swap-test:--label|swap-test:--preset|swap-test:--masks|swap-test:--intervention|swap-test:--pairs|swap-test:--patches|swap-test:--to|swap-test:--seed|swap-test:--batch-size|swap-test:--threads|stats\ auc:--target|stats\ auc:--score|stats\ auc:--person|stats\ auc:--label|stats\ auc:--by|stats\ auc:--max-fpr|stats\ auc:--level|stats\ gap:--target|stats\ gap:--score|stats\ gap:--person|stats\ gap:--label|stats\ gap:--role|stats\ gap:--match|stats\ gap:--level|stats\ wilcoxon:--before|stats\ wilcoxon:--after|stats\ wilcoxon:--difference|stats\ wilcoxon:--person|stats\ wilcoxon:--by|stats\ wilcoxon:--level|stats\ wilcoxon:--seed|stats\ empirical-p:--observed|stats\ empirical-p:--null|stats\ empirical-p:--r|stats\ empirical-p:--n) compopt +o default; return ;;
        build-dataset:--set) compopt +o default; _cxrshort_reply "uncertain= age_unit= covid_labels= require_windowing= require_report= include_other_findings= labeler= test_fit= confounder_strength= help"; return ;;
        build-dataset:--views) compopt +o default; _cxrshort_reply "PA AP AP_SUPINE LATERAL UNKNOWN"; return ;;
        build-dataset:--recipe) compopt +o default; _cxrshort_reply "degrave2021 tea2025 help"; return ;;
        build-dataset:--fit) compopt +o default; _cxrshort_reply "crop pad squash"; return ;;
        build-dataset:--shortcut) compopt +o default; _cxrshort_reply "marker border shoulders exposure grain view help"; return ;;
        train:--dataset|evaluate:--dataset|explain:--dataset|swap-test:--dataset|doctor:--dataset) _cxrshort_reply "$(_cxrshort_datasets)"; return ;;
        train:--arch) compopt +o default; _cxrshort_reply "densenet121 densenet121-frozen alexnet mobilenet_v2 resnet18 resnet50 resnext50_32x4d vit_b_16 covid-net-small covid-net-large cv19-net darkcovidnet ag-sononet multitask-unet multitask-unet-small unet unet-small small-cnn timm: txrv: help"; return ;;
        train:--recipe) _cxrshort_reply "covid-net cv19-net darkcovidnet degrave2021 roentmod standard tea2025 help"; return ;;
        train:--method) compopt +o default; _cxrshort_reply "erm group-dro irm pgi rrr gain isnet multitask help"; return ;;
        train:--set) compopt +o default; _cxrshort_reply "momentum= beta2= step_epochs= step_factor= milestones= smallest_rate= head_learning_rate= head_weight_decay= clip_norm= ema= compile= crop= label_weights= combine= mask_threshold= help"; return ;;
        train:--optimizer) compopt +o default; _cxrshort_reply "sgd adam adamw"; return ;;
        train:--schedule) compopt +o default; _cxrshort_reply "constant step milestones cosine plateau one-cycle"; return ;;
        train:--weights) _cxrshort_reply "none imagenet"; return ;;
        train:--augment) compopt +o default; _cxrshort_reply "none degrave cv19 tea fastai"; return ;;
        train:--target) compopt +o default; _cxrshort_reply "labels masks"; return ;;
        train:--empty-labels) compopt +o default; _cxrshort_reply "mask zero"; return ;;
        train:--balance) compopt +o default; _cxrshort_reply "label group"; return ;;
        train:--selection) compopt +o default; _cxrshort_reply "score loss last"; return ;;
        train:--mask-bit) compopt +o default; _cxrshort_reply "lungs heart clavicles marker text mediastinum"; return ;;
        train:--background) compopt +o default; _cxrshort_reply "noise black"; return ;;
        train:--device|evaluate:--device|explain:--device|swap-test:--device|doctor:--device) compopt +o default; _cxrshort_reply "auto cpu cuda mps"; return ;;
        train:--precision|evaluate:--precision|explain:--precision|swap-test:--precision) compopt +o default; _cxrshort_reply "auto fp32 bf16"; return ;;
        evaluate:--split|explain:--split|swap-test:--split) compopt +o default; _cxrshort_reply "test val train all"; return ;;
        explain:--method) compopt +o default; _cxrshort_reply "expected-gradients integrated-gradients gradient gradient-x-input smoothgrad grad-cam grad-cam++ guided-backprop occlusion lrp help"; return ;;
        explain:--set) compopt +o default; _cxrshort_reply "samples= steps= baseline= noise= patch= stride= fill= epsilon= first_layer= help"; return ;;
        explain:--fail-on|swap-test:--fail-on) compopt +o default; _cxrshort_reply "shortcut suspicious"; return ;;
        stats\ empirical-p:--direction) compopt +o default; _cxrshort_reply "increase decrease either"; return ;;
    esac
    case $verb in
        '') options="--debug --version --help" verbs="build-dataset train evaluate explain swap-test cyclegan roentmod tea-distill stats paths doctor" ;;
        build-dataset) options="--dataset --root --name --set --no-header-cache --out --where --views --sample --per --replicates --seed --corrections --size --recipe --fit --equalise --masks --mask-pattern --metadata-only --same-patients --table --column --day-first --images --confounding --bias --shortcut --comorbidity --shard --merge --scheduler --jobs --figures --dry-run --force --resume --json --quiet --verbose --help" verbs="" ;;
        train) options="--dataset --arch --recipe --method --seed --set --out --name --epochs --batch-size --learning-rate --lr --weight-decay --optimizer --schedule --weights --augment --patience --accumulate --replicate --replicates --grid --members --labels --multiclass --multilabel --rest-class --regression --target --empty-labels --balance --class-weights --select-label --selection --group --segmenter --mask-file --mask-bit --background --masks --device --precision --threads --tensorboard --dry-run --force --resume --json --quiet --verbose --help" verbs="" ;;
        evaluate) options="--dataset --split --label --out --device --precision --threads --dry-run --force --json --quiet --verbose --help" verbs="" ;;
        explain) options="--dataset --split --label --images --method --set --background --references --batch-size --clusters --sanity --seed --masks --segmenter --regions --expected --out --device --precision --threads --dry-run --force --resume --fail-on --json --quiet --verbose --help" verbs="" ;;
        swap-test) options="--dataset --split --label --regions --preset --original-pixels --masks --segmenter --intervention --pairs --patches --to --seed --out --resume --force --dry-run --batch-size --device --precision --threads --fail-on --json --quiet --verbose --help" verbs="" ;;
        cyclegan) options="--help" verbs="" ;;
        roentmod) options="--help" verbs="" ;;
        tea-distill) options="--help" verbs="" ;;
        stats) options="--help" verbs="auc gap wilcoxon empirical-p" ;;
        stats\ auc) options="--target --score --person --label --by --max-fpr --level --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ gap) options="--target --score --person --label --role --match --level --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ wilcoxon) options="--before --after --difference --person --by --level --seed --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ empirical-p) options="--observed --null --r --n --direction --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        paths) options="--json --help" verbs="" ;;
        doctor) options="--dataset --device --json --help" verbs="" ;;
    esac
    if [[ $word == -* ]]; then
        _cxrshort_reply "$options"
    elif [[ -n $verbs ]]; then
        _cxrshort_reply "$verbs"
    fi
}

complete -o default -F _cxrshort cxrshort
