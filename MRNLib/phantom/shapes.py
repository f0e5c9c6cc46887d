"""The mean shape of each nucleus as a stack of bent ellipses, and its mean volume.

Shapes: mean slice-by-slice profiles of ten mirrored hemispheres, measured on mask pairs predicted
    by the
challenge organisers' baseline (github.com/Ruijin-IMIT/PDCADxFoundation, MIT licence). Frame in mm:
lateral from the fitted midline, anterior, superior; origin = mean of the 16 QSM centroids. Volumes:
the challenge's own table over its 300 training and validation cases (MICCAI 2025 PDCADxFoundation
site); NM-SN: both sides of the training set's NM masks, 663 mm3 in HC and 668 mm3 in PD.
"""

from __future__ import annotations

from dataclasses import dataclass

# Heights at which the profiles below are given: 0 = the nucleus's lowest point, 1 = its highest.
HEIGHTS = (0.0556, 0.1667, 0.2778, 0.3889, 0.5, 0.6111, 0.7222, 0.8333, 0.9444)


@dataclass(frozen=True)
class NucleusShape:
    """One nucleus of the lateral hemisphere, as nine bent ellipses at :data:`HEIGHTS`.

    Attributes:
        centroid: Lateral, anterior, superior in mm.
        centroid_sd: Its SD between subjects, mm.
        extent: Height in mm.
        volume_sd: Relative SD of the volume between subjects.
        volumes: Volume in mm3 of the right and the left side.
        lateral: Ellipse centres relative to the centroid, mm.
        anterior: The same along the anterior axis, mm.
        area: Cross-section areas, mm2.
        angle: Direction of the long axis from lateral towards anterior, degrees.
        aspect: Long over short axis.
        curvature: ``c`` of the bent axis ``v = c u^2``, 1/mm.
    """

    centroid: tuple[float, float, float]
    centroid_sd: tuple[float, float, float]
    extent: float
    volume_sd: float
    volumes: tuple[float, float]
    lateral: tuple[float, ...]
    anterior: tuple[float, ...]
    area: tuple[float, ...]
    angle: tuple[float, ...]
    aspect: tuple[float, ...]
    curvature: tuple[float, ...]


SHAPES: dict[str, NucleusShape] = {
    "CN": NucleusShape(
        centroid=(12.9, 20.92, 14.56),
        centroid_sd=(1.5, 1.81, 1.58),
        extent=26.4,
        volume_sd=0.131,
        volumes=(3360.0, 2840.0),
        lateral=(-4.12, -3.11, -2.13, -1.13, -0.32, 0.35, 1.05, 2.14, 3.33),
        anterior=(2.67, 5.23, 6.18, 5.77, 4.48, 2.18, -1.7, -8.63, -14.04),
        area=(32.0, 82.1, 112.1, 125.1, 127.6, 132.0, 137.3, 154.5, 83.5),
        angle=(63.0, 62.0, 61.0, 62.0, 63.0, 69.0, 76.0, 87.0, 92.0),
        aspect=(1.64, 1.95, 1.93, 1.92, 2.01, 2.12, 2.39, 3.36, 3.62),
        curvature=(-0.012, -0.0144, -0.0183, -0.0179, -0.0147, -0.0115, -0.0087, -0.0091, -0.0005),
    ),
    "PUT": NucleusShape(
        centroid=(23.74, 14.44, 6.89),
        centroid_sd=(1.03, 1.29, 0.96),
        extent=20.0,
        volume_sd=0.059,
        volumes=(3670.0, 3520.0),
        lateral=(-4.08, -2.0, -0.74, 0.07, 0.61, 0.84, 0.83, 0.76, 0.78),
        anterior=(3.76, 2.38, 1.66, 1.12, 0.24, -0.83, -1.91, -2.74, -3.61),
        area=(77.8, 181.3, 224.4, 235.3, 238.3, 233.8, 216.7, 173.3, 81.2),
        angle=(130.0, 124.0, 116.0, 112.0, 108.0, 105.0, 102.0, 101.0, 98.0),
        aspect=(2.22, 2.8, 3.23, 3.49, 3.68, 3.74, 3.56, 3.28, 2.83),
        curvature=(0.0175, 0.0082, 0.0108, 0.0104, 0.0095, 0.0071, 0.0037, 0.0009, -0.0051),
    ),
    "GP": NucleusShape(
        centroid=(18.18, 9.83, 4.4),
        centroid_sd=(1.14, 0.86, 0.84),
        extent=14.4,
        volume_sd=0.121,
        volumes=(1850.0, 2100.0),
        lateral=(-1.49, -0.93, -0.43, 0.03, 0.43, 0.79, 0.99, 1.06, 1.06),
        anterior=(-0.69, -0.5, -0.22, -0.02, 0.15, 0.17, 0.15, 0.08, -0.04),
        area=(89.2, 151.8, 184.1, 186.2, 174.0, 146.7, 113.6, 72.7, 29.0),
        angle=(140.0, 139.0, 136.0, 131.0, 128.0, 124.0, 122.0, 120.0, 121.0),
        aspect=(2.58, 2.63, 2.54, 2.53, 2.64, 2.76, 2.82, 2.85, 2.79),
        curvature=(0.0127, 0.0109, 0.0131, 0.0136, 0.0114, 0.0087, 0.0048, -0.0004, -0.0044),
    ),
    "TH": NucleusShape(
        centroid=(10.46, -5.05, 9.65),
        centroid_sd=(0.47, 0.77, 0.6),
        extent=15.6,
        volume_sd=0.08,
        volumes=(4600.0, 4610.0),
        lateral=(2.13, 0.94, 0.29, -0.14, -0.48, -0.67, -0.65, -0.33, 0.59),
        anterior=(-3.56, -1.74, -0.44, 0.08, 0.38, 0.78, 1.31, 1.96, 2.83),
        area=(213.5, 334.0, 386.5, 379.8, 347.5, 301.7, 242.3, 160.5, 54.2),
        angle=(132.0, 124.0, 118.0, 117.0, 116.0, 114.0, 112.0, 112.0, 120.0),
        aspect=(1.78, 1.89, 1.91, 1.88, 1.83, 1.76, 1.66, 1.55, 1.57),
        curvature=(0.0002, -0.0046, -0.0059, -0.005, -0.0038, -0.003, -0.0029, -0.006, -0.02),
    ),
    "STN": NucleusShape(
        centroid=(9.71, 2.26, -0.21),
        centroid_sd=(0.54, 0.44, 0.82),
        extent=4.8,
        volume_sd=0.154,
        volumes=(80.0, 90.0),
        lateral=(-1.0, -1.0, -0.75, -0.38, -0.02, 0.26, 0.54, 0.7, 0.7),
        anterior=(0.28, 0.28, 0.19, 0.08, -0.03, -0.03, -0.03, -0.02, -0.02),
        area=(14.5, 14.5, 16.8, 18.8, 20.8, 18.8, 16.9, 15.2, 15.2),
        angle=(146.0, 146.0, 142.0, 139.0, 137.0, 138.0, 139.0, 140.0, 140.0),
        aspect=(1.53, 1.53, 1.56, 1.58, 1.61, 1.56, 1.52, 1.49, 1.49),
        curvature=(-0.0474, -0.0474, -0.0373, -0.0242, -0.0111, -0.0047, 0.0016, 0.005, 0.005),
    ),
    "SN": NucleusShape(
        centroid=(8.7, -2.28, -5.79),
        centroid_sd=(0.64, 0.91, 0.59),
        extent=10.8,
        volume_sd=0.15,
        volumes=(470.0, 460.0),
        lateral=(-3.13, -2.56, -1.71, -0.98, -0.24, 0.57, 1.31, 2.25, 2.93),
        anterior=(-2.19, -2.0, -1.71, -1.07, -0.2, 0.82, 1.51, 1.34, 1.1),
        area=(17.3, 28.7, 44.9, 53.2, 57.5, 58.4, 56.3, 38.8, 24.4),
        angle=(133.0, 126.0, 119.0, 115.0, 115.0, 118.0, 120.0, 119.0, 118.0),
        aspect=(1.91, 1.9, 1.92, 2.07, 2.21, 2.33, 2.47, 2.25, 2.03),
        curvature=(0.0306, 0.0252, 0.0201, 0.0181, 0.0188, 0.0275, 0.0327, 0.0513, 0.0687),
    ),
    "RN": NucleusShape(
        centroid=(4.9, -3.62, -2.09),
        centroid_sd=(0.48, 0.5, 0.51),
        extent=7.0,
        volume_sd=0.199,
        volumes=(170.0, 170.0),
        lateral=(-0.01, -0.03, -0.11, -0.16, -0.11, 0.02, 0.16, 0.31, 0.35),
        anterior=(-0.46, -0.47, -0.43, -0.36, -0.13, 0.17, 0.52, 0.88, 0.96),
        area=(14.0, 15.8, 22.1, 27.9, 29.7, 28.5, 23.5, 17.8, 16.2),
        angle=(144.0, 142.0, 138.0, 132.0, 128.0, 120.0, 109.0, 90.0, 92.0),
        aspect=(1.24, 1.24, 1.21, 1.18, 1.17, 1.17, 1.16, 1.15, 1.14),
        curvature=(-0.0138, -0.0126, -0.0138, -0.0147, -0.0135, -0.0036, -0.003, -0.0038, -0.0057),
    ),
    "DN": NucleusShape(
        centroid=(12.38, -36.5, -27.4),
        centroid_sd=(0.8, 2.44, 2.39),
        extent=10.2,
        volume_sd=0.124,
        volumes=(660.0, 650.0),
        lateral=(1.21, 1.01, 0.7, 0.33, -0.15, -0.9, -1.8, -2.94, -3.67),
        anterior=(0.12, 0.08, -0.05, -0.21, -0.33, -0.37, -0.18, 0.38, 0.75),
        area=(52.0, 72.3, 102.1, 109.4, 101.7, 79.6, 53.7, 28.4, 14.3),
        angle=(86.0, 87.0, 88.0, 86.0, 83.0, 79.0, 76.0, 81.0, 87.0),
        aspect=(2.12, 2.06, 1.96, 1.92, 1.94, 2.02, 2.05, 1.81, 1.61),
        curvature=(0.0265, 0.0326, 0.0415, 0.0446, 0.0428, 0.0388, 0.041, 0.0151, -0.0077),
    ),
    "NM-SN": NucleusShape(
        centroid=(7.5, -2.27, -5.56),
        centroid_sd=(0.9, 1.12, 0.99),
        extent=11.0,
        volume_sd=0.078,
        volumes=(332.0, 332.0),
        lateral=(-2.34, -2.06, -1.63, -0.94, 0.01, 0.81, 1.4, 1.6, 1.68),
        anterior=(-1.69, -1.36, -0.88, -0.45, 0.03, 0.51, 0.84, 1.02, 1.14),
        area=(15.4, 22.2, 31.2, 36.2, 38.8, 39.0, 36.9, 26.9, 19.0),
        angle=(151.0, 147.0, 143.0, 139.0, 132.0, 127.0, 124.0, 122.0, 120.0),
        aspect=(1.88, 1.83, 1.8, 1.85, 1.81, 2.02, 2.5, 2.62, 2.63),
        curvature=(0.0464, 0.0509, 0.0528, 0.0347, 0.0187, 0.0244, 0.0385, 0.0547, 0.0665),
    ),
}
