"""Volume nodes as images in space, and as the files that a run reads.

Physical space decides where a voxel lies: a node's array may be flipped against its file's, for
Slicer gives every volume it reads right-handed axes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from MRNDiagnosisLib.kept import SMALL
from MRNLib import geometry
from MRNLib.casefiles import FORMATS
from MRNLib.errors import InputError
from MRNLib.files import READABLE, write_image
from MRNLib.geometry import Grid
from MRNLib.images import PHANTOM_MARK, is_phantom
from MRNLib.images import canonical_grid as grid_of_image

PHANTOM_ATTRIBUTE = "MRN.Phantom"
PHANTOM_KEY = "MRN_PHANTOM"
# RAS to LPS and back.
RAS_LPS = np.diag([-1.0, -1.0, 1.0])


def require_no_transform(node: Any) -> None:
    """Refuses a node that another node moves in space.

    Raises:
        InputError: The node is under a transform.
    """
    transform = node.GetParentTransformNode()
    if transform is not None:
        raise InputError(
            f"'{node.GetName()}' lies under the transform '{transform.GetName()}'",
            expected="a node without a parent transform",
            remedy="harden the transform (in the Data module: right-click the transform icon, "
            "Harden transform), or take the node out of it",
        )


def _matrix(rows: Any) -> np.ndarray:
    return np.array([[rows.GetElement(i, j) for j in range(3)] for i in range(3)])


def image_of(volume: Any) -> sitk.Image:
    """The voxels of a scalar volume or label map node where they lie in the patient (LPS, mm).

    Args:
        volume: Its axes may point anywhere; they stay as they are, voxel for voxel.

    Raises:
        InputError: No voxels, several numbers per voxel, a transform, or axes not at right angles.
    """
    import slicer
    import vtk

    require_no_transform(volume)
    data, name = volume.GetImageData(), volume.GetName()
    if data is None or not data.GetNumberOfPoints():
        raise InputError(f"the volume '{name}' is empty", remedy="choose a volume with voxels")
    if data.GetNumberOfScalarComponents() != 1:
        raise InputError(
            f"each voxel of '{name}' holds {data.GetNumberOfScalarComponents()} numbers "
            "(colour or vectors)",
            expected="one 3-D volume with a single number per voxel",
            remedy="choose the original grey-scale volume",
        )
    image = sitk.GetImageFromArray(slicer.util.arrayFromVolume(volume))
    axes = vtk.vtkMatrix4x4()
    volume.GetIJKToRASDirectionMatrix(axes)
    image.SetSpacing(volume.GetSpacing())
    image.SetOrigin((RAS_LPS @ volume.GetOrigin()).tolist())
    image.SetDirection((RAS_LPS @ _matrix(axes)).ravel().tolist())
    return geometry.orthonormal(image, f"volume '{name}'")[0]


def canonical_grid(volume: Any) -> Grid:
    """The grid on which a run sees a volume node: that of the boxes if it is the QSM.

    Raises:
        InputError: As :func:`image_of`, or tilted too far against the patient's axes.
    """

    def grid() -> Grid:
        return grid_of_image(image_of(volume), f"volume '{volume.GetName()}'")

    return SMALL.get("canonical grid", [volume], None, grid)


def file_of(volume: Any, folder: str | Path, role: str = "") -> Path:
    """The file that a run reads for a volume node.

    Args:
        volume: Scalar volume node.
        folder: Where a file is written if the node has none of its own, or has changed since.
        role: ``QSM``, ``NM`` or ``T1``: the written file's name; the node's own without it.

    Returns:
        The node's own single file if it still shows what the node shows, else a new NRRD file. A
        node that is a phantom's (attribute ``MRN.Phantom``) gives a file that is marked so: Slicer
        saves a volume without the mark of the file that it was read from.

    Raises:
        InputError: As :func:`image_of`.
    """
    require_no_transform(volume)
    own = _own_file(volume)
    phantom = volume.GetAttribute(PHANTOM_ATTRIBUTE) == "1"
    if own is not None and (not phantom or _marked(own)):
        return own
    image = image_of(volume)
    if phantom:
        image.SetMetaData(PHANTOM_KEY, PHANTOM_MARK)
    stem = re.sub(r"[^\w.+-]+", "_", role or volume.GetName() or "volume").strip(".") or "volume"
    return write_image(image, Path(folder) / f"{stem}.nrrd")


def _own_file(volume: Any) -> Path | None:
    """The one file a node was read from or saved to, if it still shows what the node shows."""
    storage = volume.GetStorageNode()
    if storage is None or not storage.GetFileName() or volume.GetModifiedSinceRead():
        return None
    path = Path(storage.GetFullNameFromFileName())
    single = storage.GetNumberOfFileNames() <= 1 and path.name.lower().endswith(FORMATS)
    if not single or not path.is_file() or not storage.IsA("vtkMRMLVolumeArchetypeStorageNode"):
        return None
    # Slicer can centre a volume or turn it to the axes as it reads; the file then lies elsewhere.
    as_is = storage.GetUseOrientationFromFile() and not storage.GetCenterImage()
    return path if as_is else None


def _marked(path: Path) -> bool:
    """Whether a file's header marks a digital phantom."""
    header = sitk.ImageFileReader()
    header.SetFileName(str(path))
    try:
        header.ReadImageInformation()
    except RuntimeError:
        return False  # a header that SimpleITK refuses is the library's to judge
    return is_phantom(header)


def load(scene: Any, path: str | Path, name: str) -> Any:
    """Reads a volume file into a new scalar volume node, as Slicer reads it.

    Raises:
        InputError: It cannot be read; the scene is left as it was.
    """
    path = Path(path)
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    storage.SetSingleFile(1)  # not a series of files with similar names
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    volume.SetAndObserveStorageNodeID(storage.GetID())
    if not path.is_file() or not storage.ReadData(volume):
        scene.RemoveNode(volume)
        scene.RemoveNode(storage)
        raise InputError(
            "cannot be read as a volume", file=path, expected=READABLE, remedy="check the file"
        )
    volume.CreateDefaultDisplayNodes()
    if _marked(path):
        volume.SetAttribute(PHANTOM_ATTRIBUTE, "1")
    return volume
