// The table of synonyms.
#include "synonyms.hpp"

#include <algorithm>
#include <iterator>

namespace minivit::cli {

namespace {

struct Synonyms {
  std::string_view meaning;
  std::string_view words;  // with a blank between them, as plain_spelling writes them
};

constexpr Synonyms kSynonyms[] = {
    // Images.
    {"data.train",
     "data dataset data_dir data_path data_root root train_dir train_data train_data_dir train_folder "
     "images image_folder source folder input directory photos"},
    {"data.val", "val valid validation val_dir val_data validation_data validation_dir eval_data"},
    {"data.val_fraction", "validation_split val_split valid_size val_size split test_size train_val_split"},
    {"data.interpolation", "train_interpolation resample"},
    {"data.normalization", "mean std image_mean image_std normalize norm_mean"},
    {"data.fit", "crop_mode resize_mode"},
    {"data.scale_min", "scale rrc_scale random_resized_crop min_scale"},
    {"data.hflip", "fliplr horizontal_flip flip random_flip random_horizontal_flip"},
    {"data.augment", "aa auto_augment autoaugment augmentation augmentations"},
    {"data.augment=trivial", "trivialaugment trivial_augment_wide trivialaugmentwide"},
    {"data.augment=rand", "randaugment rand_augment ra"},
    {"data.erase", "random_erasing random_erase reprob erasing cutout"},
    {"data.workers", "num_workers n_workers nworkers dataloader_num_workers j threads_per_loader"},
    {"data.cache_mb", "cache cache_size"},
    {"data.sampler=balanced",
     "weighted_sampler balanced_sampler weightedrandomsampler weighted_random_sampler "
     "oversample oversampling class_balanced"},
    // The model.
    {"model.pretrained",
     "weights pretrained_weights pretrained_model checkpoint_path initial_checkpoint finetune "
     "from_pretrained model_name_or_path init_from ckpt ckpt_path load_weights"},
    {"model.preset", "model_size variant net network"},
    {"model.architecture", "arch model_name"},
    {"model.image_size",
     "imgsz img_size imgsize input_size size resolution res image_resolution crop_size "
     "target_size resize input_shape image_height image_width"},
    {"model.patch_size", "patch patchsize"},
    {"model.channels", "in_chans num_channels in_channels"},
    {"model.embedding_dim", "embed_dim hidden_size dim d_model hidden_dim emb_dim embed_size"},
    {"model.num_layers", "depth layers num_hidden_layers n_layers blocks num_blocks n_layer"},
    {"model.num_heads", "heads num_attention_heads n_heads n_head"},
    {"model.activation", "act act_layer hidden_act"},
    {"model.pooling", "global_pool pool"},
    {"model.register_tokens", "reg_tokens num_register_tokens registers"},
    {"model.layer_scale", "init_values layerscale_value layerscale"},
    {"model.head_dropout", "classifier_dropout drop_head"},
    {"model.attention_dropout", "attn_drop attn_drop_rate attention_probs_dropout_prob"},
    {"model.dropout", "drop drop_rate dropout_rate hidden_dropout_prob proj_drop proj_drop_rate"},
    {"model.input_dropout", "pos_drop pos_drop_rate embed_dropout"},
    {"model.drop_path", "drop_path_rate stochastic_depth droppath stochastic_depth_prob"},
    // The training.
    {"training.epochs",
     "epoch num_epochs n_epochs nepochs nb_epoch num_train_epochs max_epochs ep total_epochs"},
    {"training.batch_size",
     "bs batch batchsize b train_batch_size per_device_train_batch_size mini_batch_size "
     "minibatch batch_size_train"},
    {"training.accumulate",
     "grad_accum grad_accum_steps gradient_accumulation gradient_accumulation_steps "
     "accumulate_grad_batches accumulation_steps iters_to_accumulate"},
    {"training.optimizer", "opt optim optimiser solver"},
    {"training.optimizer=adamw", "adam adam_w adamax nadam radam adamw_torch optim.adamw fusedadam"},
    {"training.optimizer=sgd", "sgd_momentum nesterov rmsprop momentum_sgd"},
    {"training.lr", "learning_rate learningrate lrate lr0 base_lr initial_lr init_lr max_lr peak_lr eta"},
    {"training.min_lr", "lrf lr_min eta_min end_lr final_lr lr_end minimum_lr cosine_min_lr"},
    {"training.warmup", "warmup_epochs warmup_ratio warmup_steps warmup_iters warmup_fraction pct_start"},
    {"training.weight_decay", "wd decay weightdecay l2 l2_reg weight_decay_rate"},
    {"training.momentum", "beta1 beta_1 opt_betas betas adam_beta1"},
    {"training.beta2", "beta_2 adam_beta2"},
    {"training.label_smoothing", "smoothing label_smooth ls label_smoothing_factor"},
    {"training.clip_norm",
     "clip clip_grad clip_grad_norm grad_clip max_grad_norm gradient_clip_val clipnorm "
     "global_clipnorm gradient_clip"},
    {"data.color_jitter", "jitter colorjitter"},
    {"data.repeats", "repeated_aug aug_repeats repeated_augmentation"},
    {"training.teacher", "teacher_model distill_from teacher_path"},
    {"training.mixup", "mixup_alpha mix_up"},
    {"training.cutmix", "cutmix_alpha cut_mix"},
    {"training.mix_probability", "mixup_prob mixup_probability cutmix_prob"},
    {"training.mix_off_epoch", "mixup_off_epoch close_mosaic"},
    {"training.image_sizes", "progressive_resizing img_sizes"},
    {"training.patch_dropout", "patch_drop_rate patch_drop"},
    {"training.class_weights", "class_weight weight_classes loss_weights cls_weights"},
    {"training.class_weights=balanced", "balanced balance"},
    {"training.freeze", "frozen freeze_layers freeze_backbone linear_probe trainable"},
    {"training.layer_decay", "llrd lr_decay layer_lr_decay layerwise_decay"},
    {"training.backbone_lr", "lr_backbone backbone_lr_mult lr_mult"},
    {"training.lora_rank", "lora lora_r rank r use_lora peft"},
    {"training.lora_alpha", "lora_scale"},
    {"training.ema", "model_ema model_ema_decay ema_decay use_ema"},
    {"training.recompute", "grad_checkpointing gradient_checkpointing activation_checkpointing"},
    {"training.patience", "early_stopping early_stop early_stopping_patience earlystopping stop_patience"},
    {"training.time_limit", "max_time time max_hours timeout time_budget"},
    {"training.save_seconds", "save_interval save_period checkpoint_interval save_every save_steps"},
    {"training.seed", "random_state random_seed manual_seed rng_seed seed_everything"},
    {"log.tensorboard", "tb use_tensorboard report_to logger"},
    {"log.curves", "plots plot"},
    {"output.dir",
     "output outdir out_dir output_dir save_dir project logdir log_dir workdir work_dir out "
     "default_root_dir results"},
    // What there is in another way, or not.
    {"the trained model is chosen by model.pretrained=FOLDER, the sizes of a new one by model.preset=small",
     "model backbone"},
    {"minivit computes on the CPU, on all cores; OMP_NUM_THREADS says how many",
     "device gpu gpus cuda num_gpus accelerator "
     "ngpu mps no_cuda num_threads threads nproc devices"},
    {"weights and gradients are 32-bit floating-point numbers; there is nothing to choose",
     "amp fp16 bf16 half precision mixed_precision dtype"},
    {"the classes are the sub-folders of data.train",
     "num_classes nb_classes nc n_classes classes num_labels labels"},
    {"the learning rate rises over training.warmup of all steps, then falls along half a cosine to "
     "training.min_lr",
     "sched scheduler lr_scheduler lr_scheduler_type schedule cos_lr cosine"},
    {"a run goes on with --resume FOLDER, or --resume latest",
     "resume resume_from resume_from_checkpoint "
     "continue restore"},
    {"a configuration is chosen by --config FILE or --config-name NAME", "cfg_file config config_file yaml"},
    {"that augmentation is not there; data.augment, data.erase, training.mixup and training.cutmix are",
     "mosaic copy_paste"},
};

}  // namespace

std::string plain_spelling(std::string_view name) {
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  std::string out(name);
  for (char& c : out)
    if (c == '-')
      c = '_';
    else if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return out;
}

void for_each_synonym(const std::function<void(std::string_view, std::string_view)>& f) {
  for (const Synonyms& row : kSynonyms)
    for (std::string_view rest = row.words; !rest.empty();) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      f(rest.substr(0, end), row.meaning);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
}

std::string_view synonym_of(std::string_view word) {
  const std::string plain = plain_spelling(word);
  std::string_view found;
  for_each_synonym([&](std::string_view known, std::string_view meaning) {
    if (found.empty() && known == plain) found = meaning;
  });
  return found;
}

}  // namespace minivit::cli
