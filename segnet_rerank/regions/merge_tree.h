// Regions as the nodes of a tree of merges: the cheap pool.
#ifndef SEGNET_RERANK_REGIONS_MERGE_TREE_H_
#define SEGNET_RERANK_REGIONS_MERGE_TREE_H_

#include <vector>

#include "segnet_rerank/regions/superpixel_image.h"

namespace seg {
namespace segnet_rerank {

// Starts from the n superpixels and merges the two touching regions of least
// cost until one is left, or none touch. With areas a and b, mean strength d of
// the boundary between them (by length) and mean colours, in units of the
// image's mean colour difference, the cost is
//   (d^2 + |colour difference|^2) a b / (a + b),
// Ward's criterion with the boundary as a further coordinate: weak boundaries
// and small regions go first.
//   returns: all regions of the tree, superpixels first, then in the order of
//     the merges, without the one that is all of the image: 2 n - 2 of a
//     connected image of n >= 2 superpixels, none where n = 1.
// Ties go to the regions with the first superpixels. O(n E) for E edges.
std::vector<SuperpixelSet> MergeTreeRegions(const SuperpixelImage& image);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_REGIONS_MERGE_TREE_H_
