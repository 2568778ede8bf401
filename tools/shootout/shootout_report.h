// What //tools:shootout shows: a table, JSON, a plot of accuracy against time.
#ifndef TOOLS_SHOOTOUT_SHOOTOUT_REPORT_H_
#define TOOLS_SHOOTOUT_SHOOTOUT_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "tools/shootout/shootout.h"

namespace seg {

// Everything that was measured. `environment`: commit, hardware, date.
nlohmann::json ShootoutJson(const ShootoutOptions& options,
                            const std::vector<Shot>& shots,
                            const nlohmann::json& environment);

// Markdown: a row a refiner, those that learn nothing first. Numbers of several
// seeds as mean +- standard deviation.
std::string ShootoutTable(const std::vector<Shot>& shots);

// SVG: mean IoU (%) over milliseconds an image with two threads, a point each.
std::string ShootoutPlot(const std::vector<Shot>& shots);

// Writes shootout.json, table.md, accuracy.svg and report.html into the
// work_dir.
absl::Status WriteShootout(const ShootoutOptions& options,
                           const std::vector<Shot>& shots,
                           const nlohmann::json& environment);

}  // namespace seg

#endif  // TOOLS_SHOOTOUT_SHOOTOUT_REPORT_H_
