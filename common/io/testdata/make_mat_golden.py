# Writes testdata/mat/sbd_like.mat: the variable of an SBD annotation
# (GTcls.Boundaries, a cell array of sparse masks; GTcls.Segmentation;
# GTcls.CategoriesPresent), compressed. Made with SciPy 1.17.1, NumPy 2.4.6:
#   python make_mat_golden.py mat/sbd_like.mat
# Segmentation[r, c] = (3 r + c) mod 21, 5 rows, 7 columns.
import sys

import numpy as np
from scipy.io import savemat
from scipy.sparse import csc_matrix

rows, columns = np.meshgrid(np.arange(5), np.arange(7), indexing="ij")
segmentation = ((3 * rows + columns) % 21).astype(np.uint8)
boundaries = np.empty((20, 1), dtype=object)
for i in range(20):
    boundaries[i, 0] = csc_matrix(segmentation == i + 1)
savemat(sys.argv[1], {
    "GTcls": {
        "Boundaries": boundaries,
        "Segmentation": segmentation,
        "CategoriesPresent": np.unique(segmentation[segmentation > 0])[:, None],
    }
}, do_compression=True)
