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
        case $verb in roentmod|stats) ;; *) break ;; esac
    done
    case $verb:$before in
        build-dataset:--dataset) compopt +o default; _cxrshort_reply "I II III roentmod-nih roentmod-mimic roentmod-chexpert roentmod-padchest tea-xray chestx-ray14 github-covid padchest bimcv+ bimcv- mimic-cxr chexpert brixia montgomery shenzhen rsna folder coloured-mnist waterbirds coco-on-places dogs-with-ties phantom-I phantom-II phantom-III phantom-external phantom-deceiving help"; return ;;
        build-dataset:--root|build-dataset:--out|build-dataset:--corrections|build-dataset:--masks|build-dataset:--same-patients|build-dataset:--table|train:--out|train:--segmenter|train:--mask-file|evaluate:--out|explain:--background|explain:--segmenter|explain:--regions|explain:--out|swap-test:--regions|swap-test:--segmenter|swap-test:--out|tea-distill:--teacher|tea-distill:--segmenter|tea-distill:--mask-file|tea-distill:--out|tea-distill:--weights|roentmod\ stress-test:--before|roentmod\ stress-test:--after|roentmod\ stress-test:--reference|roentmod\ stress-test:--expected|roentmod\ stress-test:--out|stats\ auc:--out|stats\ gap:--out|stats\ calibration:--out|stats\ operating-point:--out|stats\ confusion:--out|stats\ compare:--out|stats\ superiority:--out|stats\ noise:--out|stats\ consensus:--out|stats\ wilcoxon:--out|stats\ empirical-p:--out|stats\ subgroups:--out|stats\ slices:--out|stats\ attributes:--out|stats\ floors:--out|stats\ leakage:--out|stats\ power:--out|stats\ ledger:--out|stats\ audits:--out|stats\ cost:--out|stats\ checks:--out|stats\ reporting:--out) return ;;
        build-dataset:--name|build-dataset:--where|build-dataset:--sample|build-dataset:--per|build-dataset:--replicates|build-dataset:--seed|build-dataset:--size|build-dataset:--mask-pattern|build-dataset:--column|build-dataset:--images|build-dataset:--confounding|build-dataset:--bias|build-dataset:--comorbidity|build-dataset:--shard|build-dataset:--scheduler|build-dataset:--jobs|train:--seed|train:--name|train:--epochs|train:--batch-size|train:--learning-rate|train:--lr|train:--weight-decay|train:--patience|train:--accumulate|train:--replicate|train:--replicates|train:--grid|train:--members|train:--labels|train:--rest-class|train:--select-label|train:--group|train:--threads|evaluate:--label|evaluate:--threads|explain:--label|explain:--images|explain:--references|explain:--batch-size|explain:--clusters|explain:--seed|explain:--masks|explain:--expected|explain:--threads|swap-test:--label|swap-test:--preset|swap-test:--masks|swap-test:--intervention|swap-test:--pairs|swap-test:--patches|swap-test:--to|swap-test:--seed|swap-test:--batch-size|swap-test:--threads|tea-distill:--mask-bit|tea-distill:--background|tea-distill:--arch|tea-distill:--method|tea-distill:--recipe|tea-distill:--init|tea-distill:--output-bias|tea-distill:--select-label|tea-distill:--seed|tea-distill:--set|tea-distill:--name|tea-distill:--epochs|tea-distill:--batch-size|tea-distill:--learning-rate|tea-distill:--lr|tea-distill:--weight-decay|tea-distill:--optimizer|tea-distill:--schedule|tea-distill:--augment|tea-distill:--patience|tea-distill:--accumulate|tea-distill:--replicate|tea-distill:--replicates|tea-distill:--threads|roentmod\ stress-test:--label|roentmod\ stress-test:--sham|roentmod\ stress-test:--batch-size|roentmod\ stress-test:--threads|stats\ auc:--target|stats\ auc:--score|stats\ auc:--person|stats\ auc:--label|stats\ auc:--by|stats\ auc:--max-fpr|stats\ auc:--level|stats\ gap:--target|stats\ gap:--score|stats\ gap:--person|stats\ gap:--label|stats\ gap:--role|stats\ gap:--match|stats\ gap:--level|stats\ calibration:--target|stats\ calibration:--score|stats\ calibration:--person|stats\ calibration:--label|stats\ calibration:--by|stats\ calibration:--fit-on|stats\ calibration:--bins|stats\ calibration:--level|stats\ calibration:--seed|stats\ operating-point:--target|stats\ operating-point:--score|stats\ operating-point:--person|stats\ operating-point:--label|stats\ operating-point:--by|stats\ operating-point:--val|stats\ operating-point:--sensitivity|stats\ operating-point:--specificity|stats\ operating-point:--miss-cost|stats\ operating-point:--threshold|stats\ operating-point:--prevalence|stats\ operating-point:--benefit-at|stats\ operating-point:--level|stats\ confusion:--target|stats\ confusion:--score|stats\ confusion:--decision|stats\ confusion:--person|stats\ confusion:--label|stats\ confusion:--by|stats\ confusion:--threshold|stats\ confusion:--class-prior|stats\ confusion:--decision-prior|stats\ confusion:--level|stats\ confusion:--seed|stats\ compare:--before|stats\ compare:--after|stats\ compare:--target|stats\ compare:--score|stats\ compare:--image|stats\ compare:--person|stats\ compare:--label|stats\ compare:--by|stats\ compare:--value|stats\ compare:--group|stats\ compare:--accuracies|stats\ compare:--both|stats\ compare:--images|stats\ compare:--threshold|stats\ compare:--correction|stats\ compare:--level|stats\ compare:--draws|stats\ compare:--seed|stats\ superiority:--margin|stats\ superiority:--before|stats\ superiority:--after|stats\ superiority:--target|stats\ superiority:--score|stats\ superiority:--image|stats\ superiority:--person|stats\ superiority:--label|stats\ superiority:--value|stats\ superiority:--group|stats\ superiority:--seed-column|stats\ superiority:--split-column|stats\ superiority:--by|stats\ superiority:--test-to-train|stats\ superiority:--correction|stats\ superiority:--level|stats\ noise:--public|stats\ noise:--private|stats\ noise:--team|stats\ noise:--by|stats\ noise:--grid|stats\ noise:--label|stats\ noise:--person|stats\ noise:--splits|stats\ noise:--correction|stats\ noise:--level|stats\ noise:--seed|stats\ consensus:--value|stats\ consensus:--group|stats\ consensus:--method|stats\ consensus:--label|stats\ consensus:--region|stats\ consensus:--correction|stats\ consensus:--level|stats\ consensus:--seed|stats\ wilcoxon:--before|stats\ wilcoxon:--after|stats\ wilcoxon:--difference|stats\ wilcoxon:--person|stats\ wilcoxon:--by|stats\ wilcoxon:--level|stats\ wilcoxon:--seed|stats\ empirical-p:--observed|stats\ empirical-p:--null|stats\ empirical-p:--r|stats\ empirical-p:--n|stats\ subgroups:--target|stats\ subgroups:--score|stats\ subgroups:--person|stats\ subgroups:--label|stats\ subgroups:--columns|stats\ subgroups:--threshold|stats\ subgroups:--val|stats\ subgroups:--minimum|stats\ subgroups:--draws|stats\ subgroups:--level|stats\ subgroups:--seed|stats\ slices:--target|stats\ slices:--score|stats\ slices:--person|stats\ slices:--label|stats\ slices:--features|stats\ slices:--threshold|stats\ slices:--val|stats\ slices:--slices|stats\ slices:--minimum|stats\ slices:--level|stats\ slices:--seed|stats\ attributes:--label|stats\ attributes:--column|stats\ attributes:--level|stats\ attributes:--seed|stats\ floors:--label|stats\ floors:--by|stats\ floors:--predictions|stats\ floors:--score|stats\ floors:--level|stats\ floors:--seed|stats\ leakage:--person|stats\ leakage:--study|stats\ leakage:--image|stats\ leakage:--date|stats\ leakage:--fold|stats\ leakage:--label|stats\ leakage:--column|stats\ leakage:--level|stats\ leakage:--seed|stats\ leakage:--jobs|stats\ power:--target|stats\ power:--person|stats\ power:--label|stats\ power:--auc|stats\ power:--half-width|stats\ power:--difference|stats\ power:--prevalence|stats\ power:--images-per-person|stats\ power:--person-correlation|stats\ power:--correlation|stats\ power:--power|stats\ power:--level|stats\ ledger:--label|stats\ ledger:--level|stats\ ledger:--seed|stats\ ledger:--register|stats\ checks:--label|stats\ checks:--attest|stats\ reporting:--label) compopt +o default; return ;;
        build-dataset:--set) compopt +o default; _cxrshort_reply "uncertain= age_unit= covid_labels= require_windowing= require_report= include_other_findings= labeler= test_fit= confounder_strength= help"; return ;;
        build-dataset:--views) compopt +o default; _cxrshort_reply "PA AP AP_SUPINE LATERAL UNKNOWN"; return ;;
        build-dataset:--recipe) compopt +o default; _cxrshort_reply "degrave2021 tea2025 help"; return ;;
        build-dataset:--fit) compopt +o default; _cxrshort_reply "crop pad squash"; return ;;
        build-dataset:--shortcut) compopt +o default; _cxrshort_reply "marker border shoulders exposure grain view help"; return ;;
        train:--dataset|evaluate:--dataset|explain:--dataset|swap-test:--dataset|tea-distill:--dataset|stats\ consensus:--dataset|stats\ slices:--dataset|stats\ attributes:--dataset|stats\ floors:--dataset|doctor:--dataset) _cxrshort_reply "$(_cxrshort_datasets)"; return ;;
        train:--arch) compopt +o default; _cxrshort_reply "densenet121 densenet121-frozen alexnet mobilenet_v2 resnet18 resnet50 resnext50_32x4d vit_b_16 covid-net-small covid-net-large cv19-net darkcovidnet ag-sononet multitask-unet multitask-unet-small unet unet-small small-cnn timm: txrv: help"; return ;;
        train:--recipe) _cxrshort_reply "covid-net cv19-net darkcovidnet degrave2021 distillation roentmod standard tea2025 tea2025-coco tea2025-dogs tea2025-mnist tea2025-waterbirds tea2025-xray help"; return ;;
        train:--method) compopt +o default; _cxrshort_reply "erm group-dro irm pgi rrr gain isnet multitask dfr p-clarc help"; return ;;
        train:--set) compopt +o default; _cxrshort_reply "momentum= beta2= step_epochs= step_factor= milestones= smallest_rate= head_learning_rate= head_weight_decay= clip_norm= ema= compile= crop= label_weights= combine= mask_threshold= help"; return ;;
        train:--optimizer) compopt +o default; _cxrshort_reply "sgd adam adamw"; return ;;
        train:--schedule) compopt +o default; _cxrshort_reply "constant step milestones cosine plateau one-cycle"; return ;;
        train:--weights) _cxrshort_reply "none imagenet"; return ;;
        train:--augment) compopt +o default; _cxrshort_reply "none degrave cv19 tea fastai random-colour"; return ;;
        train:--target) compopt +o default; _cxrshort_reply "labels masks"; return ;;
        train:--empty-labels) compopt +o default; _cxrshort_reply "mask zero"; return ;;
        train:--balance) compopt +o default; _cxrshort_reply "label group"; return ;;
        train:--selection) compopt +o default; _cxrshort_reply "score loss last"; return ;;
        train:--mask-bit) compopt +o default; _cxrshort_reply "lungs heart clavicles marker text mediastinum"; return ;;
        train:--background) compopt +o default; _cxrshort_reply "noise black"; return ;;
        train:--device|evaluate:--device|explain:--device|swap-test:--device|tea-distill:--device|roentmod\ stress-test:--device|doctor:--device) compopt +o default; _cxrshort_reply "auto cpu cuda mps"; return ;;
        train:--precision|evaluate:--precision|explain:--precision|swap-test:--precision|tea-distill:--precision|roentmod\ stress-test:--precision) compopt +o default; _cxrshort_reply "auto fp32 bf16"; return ;;
        evaluate:--split|explain:--split|swap-test:--split|roentmod\ stress-test:--split) compopt +o default; _cxrshort_reply "test val train all"; return ;;
        explain:--method) compopt +o default; _cxrshort_reply "expected-gradients integrated-gradients gradient gradient-x-input smoothgrad grad-cam grad-cam++ guided-backprop occlusion lrp help"; return ;;
        explain:--set) compopt +o default; _cxrshort_reply "samples= steps= baseline= noise= patch= stride= fill= epsilon= first_layer= help"; return ;;
        explain:--fail-on|swap-test:--fail-on|roentmod\ stress-test:--fail-on|stats\ attributes:--fail-on|stats\ floors:--fail-on) compopt +o default; _cxrshort_reply "shortcut suspicious"; return ;;
        stats\ empirical-p:--direction) compopt +o default; _cxrshort_reply "increase decrease either"; return ;;
        stats\ subgroups:--fail-on|stats\ slices:--fail-on) compopt +o default; _cxrshort_reply "suspicious"; return ;;
        stats\ leakage:--fail-on) compopt +o default; _cxrshort_reply "leak suspicious"; return ;;
        stats\ checks:--fail-on) compopt +o default; _cxrshort_reply "fail warn"; return ;;
    esac
    case $verb in
        '') options="--debug --version --help" verbs="build-dataset train evaluate explain swap-test tea-distill cyclegan roentmod stats paths doctor" ;;
        build-dataset) options="--dataset --root --name --set --no-header-cache --out --where --views --sample --per --replicates --seed --corrections --size --recipe --fit --equalise --masks --mask-pattern --metadata-only --same-patients --table --column --day-first --images --confounding --bias --shortcut --comorbidity --shard --merge --scheduler --jobs --figures --dry-run --force --resume --json --quiet --verbose --help" verbs="" ;;
        train) options="--dataset --arch --recipe --method --seed --set --out --name --epochs --batch-size --learning-rate --lr --weight-decay --optimizer --schedule --weights --augment --patience --accumulate --replicate --replicates --grid --members --labels --multiclass --multilabel --rest-class --regression --target --empty-labels --balance --class-weights --select-label --selection --group --segmenter --mask-file --mask-bit --background --masks --device --precision --threads --tensorboard --dry-run --force --resume --json --quiet --verbose --help" verbs="" ;;
        evaluate) options="--dataset --split --label --out --device --precision --threads --features --dry-run --force --json --quiet --verbose --help" verbs="" ;;
        explain) options="--dataset --split --label --images --method --set --background --references --batch-size --clusters --sanity --seed --masks --segmenter --regions --expected --out --device --precision --threads --dry-run --force --resume --fail-on --json --quiet --verbose --help" verbs="" ;;
        swap-test) options="--dataset --split --label --regions --preset --original-pixels --masks --segmenter --intervention --pairs --patches --to --seed --out --resume --force --dry-run --batch-size --device --precision --threads --fail-on --json --quiet --verbose --help" verbs="" ;;
        tea-distill) options="--dataset --teacher --segmenter --masks --mask-file --mask-bit --background --whole-image --co-train --arch --method --recipe --init --freeze-last --no-freeze-last --output-bias --select-label --seed --set --out --name --epochs --batch-size --learning-rate --lr --weight-decay --optimizer --schedule --weights --augment --patience --accumulate --replicate --replicates --device --precision --threads --tensorboard --dry-run --force --resume --json --quiet --verbose --help" verbs="" ;;
        cyclegan) options="--help" verbs="" ;;
        roentmod) options="--help" verbs="stress-test" ;;
        roentmod\ stress-test) options="--before --after --reference --split --label --expected --sham --out --force --dry-run --batch-size --device --precision --threads --fail-on --json --quiet --verbose --help" verbs="" ;;
        stats) options="--help" verbs="auc gap calibration operating-point confusion compare superiority noise consensus wilcoxon empirical-p subgroups slices attributes floors leakage power ledger audits cost checks reporting" ;;
        stats\ auc) options="--target --score --person --label --by --max-fpr --level --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ gap) options="--target --score --person --label --role --match --level --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ calibration) options="--target --score --logits --person --label --by --fit-on --bins --level --seed --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ operating-point) options="--target --score --logits --person --label --by --val --sensitivity --specificity --miss-cost --threshold --prevalence --benefit-at --level --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ confusion) options="--target --score --logits --decision --matrix --person --label --by --threshold --class-prior --decision-prior --level --seed --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ compare) options="--before --after --target --score --image --person --label --by --value --group --accuracies --both --images --threshold --correction --level --draws --seed --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ superiority) options="--margin --before --after --target --score --image --person --label --value --group --seed-column --split-column --by --test-to-train --correction --level --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ noise) options="--public --private --team --by --lower-is-better --grid --label --person --splits --correction --level --seed --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ consensus) options="--value --group --dataset --method --label --lower-is-better --region --correction --level --seed --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ wilcoxon) options="--before --after --difference --person --by --level --seed --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ empirical-p) options="--observed --null --r --n --direction --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ subgroups) options="--target --score --logits --person --label --columns --no-pairs --threshold --val --minimum --draws --level --seed --out --figures --force --fail-on --json --quiet --verbose --help" verbs="" ;;
        stats\ slices) options="--target --score --logits --person --label --features --threshold --val --slices --minimum --level --seed --out --figures --dataset --force --fail-on --json --quiet --verbose --help" verbs="" ;;
        stats\ attributes) options="--dataset --label --column --level --seed --out --figures --force --fail-on --json --quiet --verbose --help" verbs="" ;;
        stats\ floors) options="--dataset --label --by --predictions --score --level --seed --out --figures --force --fail-on --json --quiet --verbose --help" verbs="" ;;
        stats\ leakage) options="--person --study --image --date --fold --label --column --no-pixels --level --seed --jobs --out --figures --force --fail-on --json --quiet --verbose --help" verbs="" ;;
        stats\ power) options="--target --person --label --auc --half-width --difference --prevalence --images-per-person --person-correlation --correlation --power --level --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ ledger) options="--label --level --seed --register --out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ audits) options="--out --force --json --quiet --verbose --help" verbs="" ;;
        stats\ cost) options="--out --figures --force --json --quiet --verbose --help" verbs="" ;;
        stats\ checks) options="--label --attest --out --force --fail-on --json --quiet --verbose --help" verbs="" ;;
        stats\ reporting) options="--label --card --datasheet --out --force --json --quiet --verbose --help" verbs="" ;;
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
