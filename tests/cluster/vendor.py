"""Brings Karpenter's definition of a NodePool, which EKS Auto Mode knows and no release of ours installs, into `crds/`.

Run `python -m tests.cluster.vendor SOURCE_DIR`, where SOURCE_DIR is the folder of the module below at its version,
which `go mod download -json MODULE@VERSION` prints as `Dir`. `definitions` reads what lies in `crds/`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from components.observability.vendor import InvalidSource, Upstream, vendor

CRD_FOLDER = Path(__file__).parent / "crds"

KARPENTER = Upstream(
    module="sigs.k8s.io/karpenter",
    version="v1.8.0",
    licence="Apache-2.0",
    folder="pkg/apis/crds",
    files=("karpenter.sh_nodepools.yaml",),
)

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"give one folder: that of {KARPENTER.module} {KARPENTER.version}")
    try:
        vendor(Path(sys.argv[1]), CRD_FOLDER, [KARPENTER])
    except InvalidSource as error:
        sys.exit(str(error))
