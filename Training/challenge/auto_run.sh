#!/usr/bin/env bash
# What the challenge's organisers start in the container: predictions for every case.
#
#   bash /auto_run.sh [OPTIONS OF mrn challenge predict]
#
# MRN_INPUTS    folder of the cases               /pdcad/inputs
# MRN_OUTPUTS   folder of the predictions         /pdcad/outputs; made if missing
# MRN_BUNDLE    name or folder of the model       phantom-tiny; the image sets its own
#
# Ends with 0, with 3 if some cases failed or have no vote, with 2 if nothing could be done at all.
set -euo pipefail

inputs=${MRN_INPUTS:-/pdcad/inputs}
outputs=${MRN_OUTPUTS:-/pdcad/outputs}
bundle=${MRN_BUNDLE:-phantom-tiny}

fail() {
    printf '%s\n' "$*" >&2
    exit 2
}

# Everything is in the image: nothing may wait for a network that is not there.
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 PYTHONUNBUFFERED=1

# `docker run --cpus 24` is a share of time, not a set of processors: programs see all of the host's
# and would start a thread on each.
quota=""
period=""
cgroup=${MRN_CGROUP:-/sys/fs/cgroup}
if [ -r "$cgroup/cpu.max" ]; then
    read -r quota period <"$cgroup/cpu.max" || true
elif [ -r "$cgroup/cpu/cpu.cfs_quota_us" ] && [ -r "$cgroup/cpu/cpu.cfs_period_us" ]; then
    # Control groups of version 1, on hosts such as Ubuntu 20.04.
    read -r quota <"$cgroup/cpu/cpu.cfs_quota_us" || true
    read -r period <"$cgroup/cpu/cpu.cfs_period_us" || true
fi
if [[ $quota =~ ^[1-9][0-9]*$ && $period =~ ^[1-9][0-9]*$ ]]; then
    threads=$(((quota + period - 1) / period))
    most=$(nproc)
    threads=$((threads < most ? threads : most))
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$threads}
    export ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=${ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS:-$threads}
fi

[ -d "$inputs" ] || fail "$inputs: there is no such folder. Mount the data with -v DATA:/pdcad," \
    "cases in DATA/inputs."
if [ ! -e "$outputs" ]; then
    mkdir -p -- "$outputs" || fail "$outputs: this folder cannot be made."
    # Of whoever owns the folder around it, not of the container's root.
    chown --reference="$(dirname -- "$outputs")" -- "$outputs" 2>/dev/null || true
fi
[ -d "$outputs" ] || fail "$outputs: this is not a folder."

# The organisers' command starts the container as root and mounts a folder of a user this image
# cannot know. The work is done as that user, without a way back to root: the predictions belong to
# whom the folder belongs to. Only where root owns the folder does root do it.
as_owner=()
if [ "$(id -u)" -eq 0 ]; then
    user=$(stat -c %u -- "$outputs")
    group=$(stat -c %g -- "$outputs")
    if [ "$user" -ne 0 ]; then
        as_owner=(setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs --)
    fi
fi

# The three files that the challenge asks for; --probability among the options adds PD_prob.txt.
exec "${as_owner[@]}" python -m MRNLib challenge predict "$inputs" "$outputs" \
    --bundle "$bundle" --progress none --no-probability "$@"
