#include "common/training/trainer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/backbones/state_dict.h"
#include "common/base/interrupt.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/usage_error.h"
#include "common/datasets/loader.h"
#include "common/io/file.h"
#include "common/io/json_lines.h"
#include "common/io/tensorboard.h"
#include "common/training/checkpoint.h"
#include "common/training/precision.h"
#include "common/training/progress_pictures.h"
#include "common/training/resume.h"
#include "common/training/run_folder.h"
#include "common/training/run_watch.h"
#include "common/training/step_error.h"
#include "common/training/step_recorder.h"

namespace seg {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

// Validations whose pictures the report shows.
constexpr int64_t kProgressMoments = 4;

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// A well-mixed 64-bit seed from a run's seed and a step (SplitMix64).
uint64_t StepSeed(int64_t seed, int64_t step) {
  uint64_t z = static_cast<uint64_t>(seed) * 0x9E3779B97F4A7C15u +
               static_cast<uint64_t>(step) + 0x632BE59BD9B4E019u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::string FormatDuration(double seconds) {
  const int64_t whole = static_cast<int64_t>(std::max(0.0, seconds));
  if (whole < 3600) return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60,
                         whole % 60);
}

struct RunningPhase {
  Phase phase;
  Optimizer optimizer;
  std::vector<at::Tensor> parameters;  // of all its groups
};

}  // namespace

// One call of Run(): its state, and the parts of a step.
class Trainer::Loop {
 public:
  explicit Loop(const Trainer& trainer)
      : run_options_(trainer.run_options_),
        config_(trainer.options_.train),
        options_(trainer.options_),
        task_(*trainer.task_),
        data_(trainer.data_),
        watch_(task_.Bounds()) {}

  absl::Status Run();

 private:
  absl::Status OpenFiles();
  absl::Status Resume();
  absl::Status OpenData();
  void BuildOptimizers();
  absl::Status Rehearse();
  absl::Status DryRun();
  absl::Status Step();
  PhaseResult Compute(int64_t index, int64_t step, const Batch& batch);
  void RunPhase(int64_t index, const Batch& batch);
  absl::Status CheckFinite();
  absl::Status Log();
  absl::StatusOr<Findings> Measure(bool rehearsal);
  absl::Status ValidateAndSave(bool validate);
  absl::Status Save(const std::string& folder);
  absl::Status Finish();
  bool Due(int64_t every, int64_t otherwise) const {
    const int64_t period = every > 0 ? every : otherwise;
    return state_.step % period == 0 || state_.step == steps_;
  }

  const RunOptions& run_options_;
  const TrainConfig& config_;
  const TrainerOptions& options_;
  Task& task_;
  const TrainingData& data_;

  RunFolder run_;
  std::unique_ptr<BatchSource> batches_;
  std::vector<RunningPhase> phases_;
  StepRecorder recorder_;
  CheckpointState state_;
  int64_t steps_ = 0;
  int64_t epoch_steps_ = 1;

  std::unique_ptr<JsonLinesWriter> metrics_file_;
  std::unique_ptr<EventWriter> events_;

  // The last step: what the log and the finite check read one step later.
  std::vector<std::pair<std::string, at::Tensor>> last_logged_;
  double rate_factor_ = 1;  // of the schedule
  std::vector<std::pair<std::string, at::Tensor>> skip_flags_;
  std::vector<std::string> last_ids_;
  double epoch_ = 0;
  RunWatch watch_;

  // Since the last logged line.
  Clock::time_point interval_start_;
  double interval_wait_ = 0;
  int64_t interval_images_ = 0;
  int64_t interval_step_ = 0;
};

absl::Status Trainer::Loop::OpenFiles() {
  const std::string& run = run_.path;
  SEG_RETURN_IF_ERROR(SetLogFile(run + "/log.txt"));
  LogInfo(run_options_.resume ? absl::StrCat("resuming ", run, " after step ",
                                             state_.step, " of ", steps_)
                              : absl::StrCat("run folder ", run));
  // The first file: it is what a run that saved nothing is known by.
  SEG_RETURN_IF_ERROR(WriteFileAtomically(
      run + "/env.json", Environment(run_options_).dump(2) + "\n"));
  if (run_options_.resume) {
    SEG_RETURN_IF_ERROR(ContinueRunFiles(run, state_.step, options_.config_text,
                                         config_, epoch_steps_));
  } else {
    SEG_RETURN_IF_ERROR(
        WriteFileAtomically(run + "/config.yaml", options_.config_text));
    SEG_RETURN_IF_ERROR(WriteClasses(run, data_.info));
  }
  SEG_ASSIGN_OR_RETURN(metrics_file_,
                       JsonLinesWriter::Open(run + "/metrics.jsonl"));
  SEG_ASSIGN_OR_RETURN(events_, EventWriter::Open(run));
  return absl::OkStatus();
}

absl::Status Trainer::Loop::Resume() {
  SEG_ASSIGN_OR_RETURN(run_, OpenRunFolder(run_options_));
  // Once the folder is claimed: another process may have gone on before.
  SEG_ASSIGN_OR_RETURN(const RunRef run, FindRunToResume(run_.path));
  SEG_ASSIGN_OR_RETURN(state_, ReadCheckpointState(run.checkpoint));
  if (state_.seed != run_options_.seed) {
    return UsageError(absl::InvalidArgumentError(absl::StrCat(
        "--resume: ", run_.path, " was started with --seed=", state_.seed,
        ", got --seed=", run_options_.seed)));
  }
  SEG_RETURN_IF_ERROR(
      CheckResumeData(run_.path, state_, data_.info, data_.samples));
  SEG_ASSIGN_OR_RETURN(const TensorMap model,
                       ReadCheckpointModel(run.checkpoint));
  SEG_RETURN_IF_ERROR(LoadStateDict(task_.module(), model));
  SEG_ASSIGN_OR_RETURN(const TensorMap all,
                       ReadCheckpointOptimizer(run.checkpoint));
  for (RunningPhase& phase : phases_) {
    const std::string prefix = phase.phase.name + ".";
    TensorMap own;
    for (const auto& [name, tensor] : all) {
      if (name.rfind(prefix, 0) == 0) own[name.substr(prefix.size())] = tensor;
    }
    SEG_RETURN_IF_ERROR(phase.optimizer.LoadState(own));
  }
  return absl::OkStatus();
}

absl::Status Trainer::Loop::OpenData() {
  SEG_ASSIGN_OR_RETURN(batches_, data_.open(run_options_.seed, state_.step));
  epoch_steps_ = batches_->batches_per_epoch();
  steps_ = TotalSteps(config_, epoch_steps_);
  return absl::OkStatus();
}

void Trainer::Loop::BuildOptimizers() {
  for (Phase& phase : task_.Phases()) {
    std::vector<ParameterGroup> groups = phase.groups;
    Optimizer optimizer(phase.optimizer.value_or(config_.optimizer),
                        std::move(groups));
    std::vector<at::Tensor> parameters;
    for (const ParameterGroup& group : phase.groups) {
      parameters.insert(parameters.end(), group.parameters.begin(),
                        group.parameters.end());
    }
    phases_.push_back(
        {std::move(phase), std::move(optimizer), std::move(parameters)});
  }
}

absl::Status Trainer::Loop::Step() {
  SEG_ASSIGN_OR_RETURN(Batch batch, batches_->Next());
  // The flags of the step before: its kernels are done by now on a GPU too.
  SEG_RETURN_IF_ERROR(CheckFinite());
  last_ids_ = batch.ids;
  epoch_ = batch.epoch;
  interval_images_ += static_cast<int64_t>(batch.ids.size());
  if (run_options_.device.is_cuda()) {
    MoveBatch(run_options_.device, &batch);
  }
  torch::manual_seed(StepSeed(run_options_.seed, state_.step));
  rate_factor_ = ScheduleFactor(config_.schedule, state_.step, steps_);
  task_.SetTraining(state_.step);
  last_logged_.clear();
  for (size_t p = 0; p < phases_.size(); ++p) {
    if (!phases_[p].phase.RunsAt(state_.step)) continue;
    std::string what;
    try {
      RunPhase(static_cast<int64_t>(p), batch);
      continue;
    } catch (const c10::Error& e) {
      what = e.what_without_backtrace();
    } catch (const std::exception& e) {
      what = e.what();
    }
    return absl::InternalError(
        absl::StrCat("step ", state_.step + 1, ", phase ",
                     phases_[p].phase.name, ": ", ExplainStepError(what),
                     "; the batch's images: ", absl::StrJoin(last_ids_, ", ")));
  }
  ++state_.step;
  for (const auto& [name, value] : last_logged_) {
    watch_.Step(state_.step, name, value);
  }
  return absl::OkStatus();
}

PhaseResult Trainer::Loop::Compute(int64_t index, int64_t step,
                                   const Batch& batch) {
  RunningPhase& phase = phases_[static_cast<size_t>(index)];
  phase.optimizer.ZeroGradients();
  StepLoss step_loss;
  {
    const AutocastScope autocast(config_.precision, run_options_.device);
    step_loss = task_.Loss(index, batch, step);
  }
  TORCH_CHECK(step_loss.loss.defined() && step_loss.loss.numel() == 1,
              "Trainer: the loss of phase ", phase.phase.name,
              " must be a scalar");
  step_loss.loss.backward();
  PhaseResult result;
  result.loss = step_loss.loss.detach();
  result.gradient_norm = phase.optimizer.GradientNorm();
  const at::Tensor finite =
      at::isfinite(result.loss.to(at::kFloat) + result.gradient_norm);
  result.skip = at::logical_not(finite).to(at::kFloat);
  if (config_.clip_norm > 0) {
    phase.optimizer.ClipGradients(config_.clip_norm, result.gradient_norm);
  }
  for (auto& [name, value] : step_loss.logged) {
    result.logged.emplace_back(name, value.detach());
  }
  return result;
}

void Trainer::Loop::RunPhase(int64_t index, const Batch& batch) {
  RunningPhase& phase = phases_[static_cast<size_t>(index)];
  const int64_t step = state_.step;
  const std::optional<int64_t> kind =
      config_.cuda_graphs && run_options_.device.is_cuda()
          ? task_.KindOfStep(index, step)
          : std::nullopt;
  const auto compute = [this, index, step](const Batch& inputs) {
    return Compute(index, step, inputs);
  };
  const PhaseResult result =
      kind.has_value()
          ? recorder_.Run(absl::StrCat(phase.phase.name, " ", *kind), batch,
                          phase.parameters, compute)
          : compute(batch);
  const double rate = phase.optimizer.config().lr * rate_factor_;
  phase.optimizer.Step(rate, result.skip);
  skip_flags_.emplace_back(phase.phase.name, result.skip);

  const std::string prefix = phases_.size() > 1 ? phase.phase.name + "_" : "";
  last_logged_.emplace_back(prefix + "loss", result.loss);
  for (const auto& [name, value] : result.logged) {
    last_logged_.emplace_back(prefix + name, value);
  }
  last_logged_.emplace_back(prefix + "gradient_norm", result.gradient_norm);
  if (phase.phase.optimizer.has_value()) {  // else it is the run's "lr"
    last_logged_.emplace_back(phase.phase.name + "_lr",
                              at::scalar_tensor(rate, at::kDouble));
  }
}

absl::Status Trainer::Loop::CheckFinite() {
  for (const auto& [phase, skip] : skip_flags_) {
    if (skip.item<float>() == 0.0f) continue;
    return absl::DataLossError(absl::StrCat(
        "step ", state_.step, ", phase ", phase,
        ": loss or gradient is not finite; the batch's images: ",
        absl::StrJoin(last_ids_, ", "),
        "; the update was left out and the last checkpoint is good. Look at "
        "these files, lower train.optimizer.lr or set train.clip_norm"));
  }
  skip_flags_.clear();
  return absl::OkStatus();
}

absl::Status Trainer::Loop::Log() {
  const double seconds =
      std::max(1e-9, Seconds(Clock::now() - interval_start_));
  const double wait = batches_->wait_seconds() - interval_wait_;
  const double rate = config_.optimizer.lr * rate_factor_;
  json record = {{"step", state_.step}, {"epoch", epoch_}, {"lr", rate}};
  std::string losses;
  for (const auto& [name, value] : last_logged_) {
    const double number = value.to(at::kDouble).item<double>();
    record["train"][name] = number;
    if (name != "gradient_norm") {
      absl::StrAppendFormat(&losses, " %s %.4g", name, number);
    }
    watch_.Train(state_.step, name, number);
    SEG_RETURN_IF_ERROR(
        events_->AddScalar("train/" + name, number, state_.step));
  }
  const double images_per_second =
      static_cast<double>(interval_images_) / seconds;
  const double wait_share = wait / seconds;
  record["images_per_second"] = images_per_second;
  record["wait_share"] = wait_share;
  record["memory"] = PeakMemoryMib();
  std::string memory = absl::StrCat(PeakMemoryMib(), " MiB");
  if (run_options_.device.is_cuda()) {
    const int64_t on_device = PeakDeviceMemoryMib(run_options_.device);
    record["device_memory"] = on_device;
    absl::StrAppend(&memory, ", on the GPU ", on_device, " MiB");
  }
  SEG_RETURN_IF_ERROR(metrics_file_->Append(record));
  SEG_RETURN_IF_ERROR(events_->AddScalar("train/lr", rate, state_.step));

  const double per_step =
      seconds / static_cast<double>(state_.step - interval_step_);
  LogProgress(
      absl::StrFormat(
          "step %d/%d epoch %.2f%s lr %.3g  %.1f images/s  wait %.1f%%  "
          "memory %s  left %s",
          state_.step, steps_, epoch_, losses, rate, images_per_second,
          100 * wait_share, memory,
          FormatDuration(per_step * static_cast<double>(steps_ - state_.step))),
      /*keep=*/false);
  return absl::OkStatus();
}

absl::StatusOr<Findings> Trainer::Loop::Measure(bool rehearsal) {
  const EvaluationPlan& plan = options_.evaluation;
  if (plan.predictor == nullptr) return Findings();
  task_.module().eval();
  absl::StatusOr<Findings> findings;
  try {
    findings =
        rehearsal ? seg::Rehearse(plan) : EvaluateAt(plan, Moment::kValidation);
  } catch (const c10::Error& e) {
    findings = absl::InternalError(
        absl::StrCat("validation: ", e.what_without_backtrace()));
  }
  task_.module().train();
  return findings;
}

// Before the first step: validation works, and gives what the best checkpoint
// is chosen by.
absl::Status Trainer::Loop::Rehearse() {
  SEG_ASSIGN_OR_RETURN(const Findings findings, Measure(/*rehearsal=*/true));
  const absl::Status status = CheckBestMetric(findings.scalars, config_);
  if (status.ok() || !run_options_.resume) return status;
  LogWarning(std::string(status.message()));  // an older run keeps its keys
  return absl::OkStatus();
}

absl::Status Trainer::Loop::DryRun() {
  const bool steps = state_.step < steps_;
  if (steps) {
    SEG_RETURN_IF_ERROR(Step());
    SEG_RETURN_IF_ERROR(CheckFinite());
  }
  SEG_ASSIGN_OR_RETURN(const std::string folder, MakeTrialFolder(run_options_));
  const absl::Status saved = Save(folder);
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  SEG_RETURN_IF_ERROR(saved);
  std::printf(
      "dry run: %s of %d steps, a validation and a save done, nothing is left "
      "behind\n",
      steps ? "one" : "none", static_cast<int>(steps_));
  return absl::OkStatus();
}

absl::Status Trainer::Loop::Save(const std::string& folder) {
  // Never a checkpoint after a step that was not finite.
  SEG_RETURN_IF_ERROR(CheckFinite());
  TensorMap optimizer;
  for (const RunningPhase& phase : phases_) {
    for (const auto& [name, tensor] : phase.optimizer.State()) {
      optimizer[absl::StrCat(phase.phase.name, ".", name)] = tensor;
    }
  }
  return SaveCheckpoint(folder, StateDict(task_.module()), optimizer, state_,
                        config_.keep_checkpoints);
}

absl::Status Trainer::Loop::ValidateAndSave(bool validate) {
  SEG_RETURN_IF_ERROR(CheckFinite());
  if (!validate) return Save(run_.path);
  SEG_ASSIGN_OR_RETURN(const Findings findings, Measure(/*rehearsal=*/false));
  SEG_RETURN_IF_ERROR(
      SaveProgressPictures(run_.path, state_.step, findings.report.pictures));
  const Metrics& metrics = findings.scalars;
  json record = {{"step", state_.step}, {"epoch", epoch_}};
  std::string line =
      absl::StrFormat("step %d epoch %.2f validation:", state_.step, epoch_);
  for (const auto& [name, value] : metrics) {
    record["val"][name] = value;
    // Those of the main output and the one that is chosen by.
    if (!absl::StrContains(name, "/") || name == config_.best_metric) {
      absl::StrAppendFormat(&line, " %s %.4f", name, value);
    }
    SEG_RETURN_IF_ERROR(events_->AddScalar("val/" + name, value, state_.step));
  }
  const auto found = metrics.find(config_.best_metric);
  if (found != metrics.end() && std::isfinite(found->second)) {
    const bool better = config_.best_is_max ? found->second > state_.best_value
                                            : found->second < state_.best_value;
    if (!state_.has_best || better) {
      state_.has_best = true;
      state_.best_step = state_.step;
      state_.best_value = found->second;
      line += " (best)";
    }
  }
  SEG_RETURN_IF_ERROR(metrics_file_->Append(record));
  SEG_RETURN_IF_ERROR(events_->Flush());
  LogProgress(line, /*keep=*/true);
  watch_.Validation(state_.step, metrics, config_);
  return Save(run_.path);
}

absl::Status Trainer::Loop::Finish() {
  const std::string& run = run_.path;
  if (!config_.best_metric.empty() && !state_.has_best) {
    LogWarning(
        absl::StrCat("no validation gave a number for "
                     "train.best_metric (",
                     config_.best_metric,
                     "): there is no best checkpoint, and the report is "
                     "of the last step's weights"));
  }
  if (state_.has_best && state_.best_step != state_.step) {
    SEG_ASSIGN_OR_RETURN(const TensorMap best,
                         ReadCheckpointModel(run + "/checkpoints/best"));
    SEG_RETURN_IF_ERROR(LoadStateDict(task_.module(), best));
  }
  task_.module().eval();
  Findings findings;
  if (options_.evaluation.predictor != nullptr) {
    SEG_ASSIGN_OR_RETURN(findings,
                         EvaluateAt(options_.evaluation, Moment::kFinal));
  }
  ReportData& report = findings.report;
  SEG_ASSIGN_OR_RETURN(
      std::vector<ReportPicture> progress,
      ReadProgressPictures(run, kProgressMoments, state_.step));
  std::move(progress.begin(), progress.end(),
            std::back_inserter(report.pictures));
  report.title = run_options_.paper;
  report.subtitle = run;
  SEG_ASSIGN_OR_RETURN(const std::vector<json> records,
                       ReadJsonLines(run + "/metrics.jsonl"));
  // The curves come first, then what the measures have drawn.
  std::vector<ReportChart> charts = ChartsFromRecords(records);
  std::move(report.charts.begin(), report.charts.end(),
            std::back_inserter(charts));
  report.charts = std::move(charts);
  report.config_text = options_.config_text;
  report.environment_text = Environment(run_options_).dump(2);
  const std::string path = run + "/report.html";
  SEG_RETURN_IF_ERROR(WriteReport(path, report));
  if (run_options_.silent) return absl::OkStatus();
  const std::string table = ToText(findings);
  std::printf("%s%sreport: %s\n", table.c_str(), table.empty() ? "" : "\n",
              std::filesystem::absolute(path).c_str());
  return absl::OkStatus();
}

absl::Status Trainer::Loop::Run() {
  // Streams and graphs are those of the current device.
  c10::OptionalDeviceGuard device;
  if (run_options_.device.is_cuda()) device.reset_device(run_options_.device);
  SetProducts(config_.precision, run_options_.device);
  task_.module().to(run_options_.device);
  state_.seed = run_options_.seed;
  BuildOptimizers();
  if (!run_options_.init_from.empty()) {
    SEG_RETURN_IF_ERROR(InitFrom(run_options_.init_from, &task_.module(),
                                 [&](const std::string& name) {
                                   return task_.TakesFromOtherRun(name);
                                 }));
  }
  if (run_options_.resume) SEG_RETURN_IF_ERROR(Resume());
  state_.samples = data_.samples;
  SEG_RETURN_IF_ERROR(OpenData());
  SEG_RETURN_IF_ERROR(Rehearse());
  if (run_options_.dry_run) return DryRun();
  if (!run_options_.resume) {
    SEG_ASSIGN_OR_RETURN(run_, OpenRunFolder(run_options_));
  }
  SEG_RETURN_IF_ERROR(OpenFiles());
  const InterruptScope interrupts;
  interval_start_ = Clock::now();
  interval_step_ = state_.step;
  while (state_.step < steps_) {
    SEG_RETURN_IF_ERROR(Step());
    const bool log = state_.step % config_.log_every == 0;
    if (log || state_.step == steps_) SEG_RETURN_IF_ERROR(Log());
    const bool validate = Due(config_.validate_every, epoch_steps_);
    const bool save = validate || (config_.checkpoint_every > 0 &&
                                   Due(config_.checkpoint_every, 1));
    const bool interrupted = Interrupted() && state_.step < steps_;
    if (save || interrupted) SEG_RETURN_IF_ERROR(ValidateAndSave(validate));
    if (interrupted) {
      return absl::CancelledError(absl::StrCat(
          "interrupted after step ", state_.step, " of ", steps_,
          "; saved. Continue with --resume --work_dir=", run_.path));
    }
    if (log || save) {
      interval_start_ = Clock::now();
      interval_wait_ = batches_->wait_seconds();
      interval_images_ = 0;
      interval_step_ = state_.step;
    }
  }
  return Finish();
}

Trainer::Trainer(RunOptions run, TrainerOptions options, Task* task,
                 TrainingData data)
    : run_options_(std::move(run)),
      options_(std::move(options)),
      task_(task),
      data_(std::move(data)) {}

Trainer::Trainer(RunOptions run, TrainerOptions options, Task* task,
                 std::shared_ptr<const Dataset> train_data)
    : Trainer(std::move(run), options, task,
              FromDataset(
                  std::move(train_data),
                  TrainingLoaderOptions(options.data, options.train.batch_size,
                                        /*seed=*/0))) {}

absl::Status Trainer::Run() {
  absl::Status status;
  try {
    status = Loop(*this).Run();
  } catch (const c10::Error& e) {
    // A GPU's errors come with any later call.
    status = absl::InternalError(ExplainStepError(e.what_without_backtrace()));
  }
  SetLogFile("").IgnoreError();
  return status;
}

absl::Status InitFrom(
    const std::string& path, torch::nn::Module* module,
    const std::function<bool(const std::string& name)>& takes) {
  SEG_ASSIGN_OR_RETURN(const RunRef run, FindRun(path));
  SEG_ASSIGN_OR_RETURN(TensorMap tensors, ReadCheckpointModel(run.checkpoint));
  for (auto it = tensors.begin(); takes && it != tensors.end();) {
    it = takes(it->first) ? std::next(it) : tensors.erase(it);
  }
  LoadReport report;
  const absl::Status status =
      LoadStateDict(*module, tensors, &report, LoadMode::kPartial);
  LogInfo(
      absl::StrCat("weights from ", run.checkpoint, ": ", report.Summary()));
  return status;
}

}  // namespace seg
