"""Plain Qt widgets in place of Slicer's, for the picture of the panel. They prove nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Property, QRect, Qt
from PySide6.QtGui import QColor, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QStyle,
    QStyleOptionButton,
    QTableView,
    QToolButton,
    QWidget,
)

HEADER = 26


class qMRMLWidget(QWidget):  # noqa: N801
    pass


class qMRMLNodeComboBox(QComboBox):  # noqa: N801
    def show_text(self, text: str) -> None:
        self.addItem(text)


class qMRMLSegmentEditorWidget(QWidget):  # noqa: N801
    pass


class qMRMLSegmentationShow3DButton(QPushButton):  # noqa: N801
    def __init__(self, parent=None):
        super().__init__("Show 3D", parent)


class qMRMLTableView(QTableView):  # noqa: N801
    pass


class qMRMLPlotWidget(QWidget):  # noqa: N801
    def __init__(self, parent=None):
        super().__init__(parent)
        self._values: list[float] = []

    def show_bars(self, values: Sequence[float]) -> None:
        self._values = list(values)

    def paintEvent(self, event):  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("white"))
        painter.setPen(QColor("#444"))
        painter.drawText(self.rect().adjusted(0, 4, 0, 0), Qt.AlignHCenter, "P(PD) by ROIs masked")
        base, top, left = self.height() - 24, 30, 34
        for share in (0, 0.5, 1):
            y = round(base - share * (base - top))
            painter.drawText(QRect(0, y - 8, left - 6, 16), Qt.AlignRight, f"{share:g}")
            painter.drawLine(left, y, self.width() - 8, y)
        step = (self.width() - left - 8) / max(len(self._values), 1)
        for number, value in enumerate(self._values):
            height = round(value * (base - top))
            x = round(left + (number + 0.15) * step)
            painter.fillRect(x, base - height, round(0.7 * step), height, QColor("#617d94"))
            painter.drawText(QRect(x - 4, base + 2, round(step), 16), Qt.AlignHCenter, str(number))


class ctkMenuButton(QPushButton):  # noqa: N801
    pass


class ctkPathLineEdit(QWidget):  # noqa: N801
    def __init__(self, parent=None):
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLineEdit())
        browse = QToolButton()
        browse.setText("…")
        row.addWidget(browse)


class ctkCollapsibleButton(QWidget):  # noqa: N801
    """A title that can be folded, as CTK draws it."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self.setContentsMargins(0, HEADER, 0, 0)

    def _get_text(self) -> str:
        return self._text

    def _set_text(self, text: str) -> None:
        self._text = text

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed

    text = Property(str, _get_text, _set_text)
    collapsed = Property(bool, _get_collapsed, _set_collapsed)

    def showEvent(self, event):  # noqa: N802
        if self._collapsed:
            for child in self.findChildren(QWidget, options=Qt.FindDirectChildrenOnly):
                child.setVisible(False)
            self.setFixedHeight(HEADER)
        super().showEvent(event)

    def paintEvent(self, event):  # noqa: N802
        painter = QPainter(self)
        option = QStyleOptionButton()
        option.initFrom(self)
        option.rect = QRect(0, 0, self.width(), HEADER - 2)
        option.state |= QStyle.State_Raised
        self.style().drawControl(QStyle.CE_PushButtonBevel, option, painter, self)
        arrow = "▸" if self._collapsed else "▾"
        painter.drawText(
            option.rect.adjusted(8, 0, 0, 0), Qt.AlignVCenter, f"{arrow}  {self._text}"
        )
        if not self._collapsed:
            painter.setPen(QColor("#b8b8b8"))
            painter.drawRect(self.rect().adjusted(0, HEADER - 3, -1, -1))


KINDS = (
    qMRMLWidget,
    qMRMLNodeComboBox,
    qMRMLSegmentEditorWidget,
    qMRMLSegmentationShow3DButton,
    qMRMLTableView,
    qMRMLPlotWidget,
    ctkMenuButton,
    ctkPathLineEdit,
    ctkCollapsibleButton,
)


def fill_table(
    view: QTableView, titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]
) -> None:
    model = QStandardItemModel(view)
    model.setHorizontalHeaderLabels(list(titles))
    for row in rows:
        model.appendRow([QStandardItem(text) for text in row])
    model.setVerticalHeaderLabels([str(number) for number in numbers])
    view.setModel(model)
    view.horizontalHeader().setSectionResizeMode(QHeaderView.Stretch)
    view.verticalHeader().setDefaultSectionSize(22)
