// Split into the headers below.
#ifndef COMMON_DATASETS_LISTED_H_
#define COMMON_DATASETS_LISTED_H_

#include "common/datasets/id_check.h"        // IWYU pragma: export
#include "common/datasets/listed_dataset.h"  // IWYU pragma: export
#include "common/datasets/mask_check.h"      // IWYU pragma: export
#include "common/datasets/text_table.h"      // IWYU pragma: export

#endif  // COMMON_DATASETS_LISTED_H_
